from django.urls import path

from contacts import views

urlpatterns = [
    path("u/<token>", views.preferences, name="preferences"),
    path("u/<token>/undo", views.undo, name="preferences-undo"),
]
