"""Reading what a device computes without waiting for it."""

import torch
from torch import Tensor


class Late:
    """What a GPU computes, read one call later, so that the host does not wait for it; of a CPU, at once."""

    def __init__(self, device: torch.device) -> None:
        """Wait for nothing yet."""
        self._is_late = device.type == "cuda"
        self._coming: tuple[Tensor, torch.cuda.Event] | None = None

    def read(self, tensor: Tensor) -> Tensor | None:
        """Return a copy on the host of the tensor, or if that is late, of the one of the call before, if any."""
        host = tensor.to("cpu", non_blocking=True, copy=True)
        if not self._is_late:
            return host
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        before, self._coming = self._coming, (host, event)
        if before is None:
            return None
        before[1].synchronize()
        return before[0]
