"""What the instrumentation of Celery is made of."""
