from django.urls import path

from wiki import views

urlpatterns = [path("page/<name>", views.page), path("edit/<name>", views.edit)]
