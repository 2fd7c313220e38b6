from django.urls import path

from chat import views

urlpatterns = [
    path("", views.playground, name="playground"),
    path("list/", views.conversation_list, name="conversation-list"),
    path("models/", views.find_models, name="find-chat-models"),
    path("start/", views.start_conversation, name="start-conversation"),
    path("turns/<str:public_id>/stop/", views.stop_turn, name="stop-turn"),
    path("turns/<str:public_id>/retry/", views.retry_turn, name="retry-turn"),
    path("<str:public_id>/", views.conversation, name="conversation"),
    path("<str:public_id>/add/", views.add_turn, name="add-turn"),
    path("<str:public_id>/rename/", views.rename_conversation, name="rename-conversation"),
    path("<str:public_id>/delete/", views.delete_conversation, name="delete-conversation"),
]
