from django.urls import path

from videos.views import attention, create, filing, gallery, undo

urlpatterns = [
    path("", gallery.index, name="videos"),
    path("menu/<str:name>/", gallery.menu, name="videos-menu"),
    path("live/", gallery.live, name="videos-live"),
    path("new/", create.new, name="new-video"),
    path("new/estimate/", create.estimate, name="estimate-video"),
    path("download/", gallery.download, name="download-videos"),
    path("delete/", gallery.delete, name="delete-videos"),
    path("rate/", gallery.rate, name="rate-videos"),
    path("tag/", filing.tag, name="tag-videos"),
    path("move/", filing.move, name="move-videos"),
    path("undo/", undo.undo, name="undo-videos"),
    path("collections/", filing.collections, name="video-collections"),
    path("collections/add/", filing.add, name="add-collection"),
    path("collections/<str:public_id>/rename/", filing.rename, name="rename-collection"),
    path("collections/<str:public_id>/delete/", filing.remove, name="delete-collection"),
    path("<str:public_id>/", gallery.video, name="video"),
    path("<str:public_id>/retry/", gallery.retry, name="retry-video"),
    path("<str:public_id>/cancel/", gallery.cancel, name="cancel-video"),
    path("<str:public_id>/adopt/", attention.adopt, name="adopt-video"),
    path("<str:public_id>/give-up/", attention.give_up, name="give-up-video"),
]
