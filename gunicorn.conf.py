"""The web server; `gunicorn config.wsgi` reads this file by itself."""

import os

# A platform that hands out a port reaches in from outside. Without one, this machine alone.
_port = os.environ.get("PORT")
bind = f"0.0.0.0:{_port}" if _port else "127.0.0.1:8000"

# Two per core is a good start; each takes about 80 MB.
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = "sync"
timeout = 60

# No access log: the addresses of coupons and of unsubscribing carry their secret tokens.
accesslog = None
errorlog = "-"

# Nobody steers this server through a socket of its own; systemd and platforms send signals.
control_socket_disable = True

# In memory: a heartbeat file on a slow disk blocks a worker, which is then taken for dead.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
