"""`tinyseg serve`: masks over HTTP, and a page to look with.

    HTTP -> front process -> pipe -> worker process -> pipe -> front process -> HTTP
            app.py           pool.py  worker.py

The front process answers and admits; it holds no network and no torch. Workers hold the network.
A worker that dies is replaced, and the request that it had is told so.

settings.py  what the server was started with      records.py   what crosses the pipe
app.py       the addresses                         asked.py     what a request may ask for
body.py      the picture in a request's body       problems.py  errors as problem details (RFC 9457)
pool.py      the queue, counted in pixels          worker.py    pictures -> answers, in a process
answers.py   instances -> JSON, label map, overlay guard.py     token, headers, log of each request
metrics.py   what Prometheus reads                 run.py       uvicorn, slow clients, signals
openapi.py   what the addresses take and give, with examples
page/        the page
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
