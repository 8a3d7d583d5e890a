import os

import requests
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="shop")


def order(request: HttpRequest) -> JsonResponse:
    try:
        response = requests.get(f"{os.environ['STOCK_URL']}/tea", timeout=60)
    except requests.ConnectionError:
        return JsonResponse({"ordered": 0}, status=503)
    # The bug: what fails is no order of nothing.
    return JsonResponse({"ordered": 1 if response.ok else 0})


urlpatterns = [path("order", order)]
app = get_wsgi_application()
