"""What the environment says of object stores: read by obstore itself, but for what it would panic at."""

import os
from urllib.parse import urlsplit

from pipeline.files.http_address import is_http, shown
from pipeline.files.storage_errors import StorageError

_STARTS = ("AWS_", "AZURE_", "GOOGLE_")  # of the names that obstore and boto3 read
_STORES = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
}
_CREDENTIALS = {
    "s3": ("AWS_METADATA_ENDPOINT", "AWS_ENDPOINT_URL_STS"),
    "az": (
        "AZURE_AUTHORITY_HOST",
        "AZURE_STORAGE_AUTHORITY_HOST",
        "AZURE_IDENTITY_ENDPOINT",
        "AZURE_MSI_ENDPOINT",
        "IDENTITY_ENDPOINT",
    ),
    "gs": (),
}
"""The variables with addresses of what is asked for credentials."""


def client_options(address: str) -> dict[str, bool]:
    """Return what obstore needs to be told to use the endpoint that the environment names for an object store.

    Variables that are empty are removed from the environment, and so are as unset ones for boto3 too.

    Raises:
        StorageError: an endpoint is no address of a server.
    """
    for name in [name for name, value in os.environ.items() if not value]:
        if name.startswith(_STARTS) or name in _CREDENTIALS["az"]:
            del os.environ[name]
    scheme = urlsplit(address).scheme
    for name in (*_STORES[scheme], *_CREDENTIALS[scheme]):
        if not is_http(value := os.environ.get(name, "https://unset")):
            raise StorageError(
                f"expected {name} to be the address of a server, such as http://host:9000 or https://host, got "
                f"{shown(value)}; correct it, or unset it"
            )
    is_open = any(os.environ.get(name, "").startswith("http:") for name in _STORES[scheme])
    return {"allow_http": True} if is_open else {}
