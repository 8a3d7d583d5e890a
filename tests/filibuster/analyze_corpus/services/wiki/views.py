from django.http import Http404, HttpResponse, HttpResponseForbidden, JsonResponse
from django.shortcuts import get_object_or_404


def page(request, name):
    if name == "none":
        raise Http404("no page")
    return HttpResponse(name)


def edit(request, name):
    if request.user is None:
        return HttpResponseForbidden("log in")
    if name == "locked":
        return JsonResponse({"error": "locked"}, status=423)
    return HttpResponse("conflict", status=409)


def unrouted(request):
    return HttpResponse(status=501)
