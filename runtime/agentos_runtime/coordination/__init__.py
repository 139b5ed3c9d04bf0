"""What replicas share through Redis: the word that a run is to be cancelled, and the events of runs that go on.

Imported only where a deployment has a Redis: the client costs a start more than anything else here.
"""
