"""``/tasks`` and ``/tasks/{id}``: the followed tasks for people."""
