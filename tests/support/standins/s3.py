"""An S3 server with a disk: moto's, which keeps objects in memory, writes them to a volume when it is ended."""

import pickle
import signal
from pathlib import Path

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import run_simple

FILE = Path("/data/objects.pickle")
BACKEND = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


def load():
    for bucket, objects in pickle.loads(FILE.read_bytes()).items() if FILE.exists() else ():
        BACKEND.create_bucket(bucket, "us-east-1")
        for name, content in objects.items():
            BACKEND.put_object(bucket, name, content)


def save(*_):
    found = {name: {key: each.value for key, each in bucket.keys.items()} for name, bucket in BACKEND.buckets.items()}
    FILE.write_bytes(pickle.dumps(found))
    raise SystemExit


SERVER = DomainDispatcherApplication(create_backend_app)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/healthz":  # as SeaweedFS answers
        start_response("200 OK", [])
        return [b""]
    return SERVER(environ, start_response)


if __name__ == "__main__":
    load()
    signal.signal(signal.SIGTERM, save)
    run_simple("0.0.0.0", 8333, application, threaded=True)
