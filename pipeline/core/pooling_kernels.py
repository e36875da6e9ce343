"""Triton kernels that pool, unpool, and gather what unpooling's gradient needs (pipeline/core/pooling.py).

Every value is read once and written once; of each window, a kernel handles the four channels whose codes share a byte.
Neighbouring bytes are neighbours in memory in both memory formats, so that reads and writes are coalesced.

Tensors are given by pointers, as (N, C, H, W), channels_last (LAST) or contiguous; WIDE: places may need 64 bits. Of
the codes there are num_bytes bytes, in the same format.
"""

import triton
import triton.language as tl


@triton.jit
def _bytes(WIDE: tl.constexpr, BYTES: tl.constexpr):
    """Return the numbers of this program's bytes of the codes."""
    program = tl.program_id(0).to(tl.int64) if WIDE else tl.program_id(0)
    return program * BYTES + tl.arange(0, BYTES)


@triton.jit
def _place(byte, C, H, W, LAST: tl.constexpr):
    """Return image, group of channels, and row and column of the window of each byte of the codes."""
    h, w, G = (H + 1) // 2, (W + 1) // 2, (C + 3) // 4
    if LAST:
        g, rest = byte % G, byte // G
        j, rest = rest % w, rest // w
        i, n = rest % h, rest // h
    else:
        j, rest = byte % w, byte // w
        i, rest = rest % h, rest // h
        g, n = rest % G, rest // G
    return n, g, i, j


@triton.jit
def _offset(n, c, row, column, C, H, W, LAST: tl.constexpr):
    """Return where values (n, c, row, column) of an (N, C, H, W) tensor lie."""
    if LAST:
        return ((n * H + row) * W + column) * C + c
    return ((n * C + c) * H + row) * W + column


@triton.jit
def _wins(later, earlier):
    """Return whether a later value is the maximum: NaN wins over everything."""
    a, b = later.to(tl.float32), earlier.to(tl.float32)
    if later.dtype == tl.float64:
        a, b = later, earlier
    return (a > b) | (a != a)


@triton.jit
def pool(x, y, codes, num_bytes, C, H, W, LAST: tl.constexpr, WIDE: tl.constexpr, BYTES: tl.constexpr):
    """Write the maxima of x, (N, C, H, W), to y, and where they were to the codes."""
    byte = _bytes(WIDE, BYTES)
    n, g, i, j = _place(byte[:, None], C, H, W, LAST)
    four = tl.arange(0, 4)[None, :]
    c = 4 * g + four
    is_there = (byte[:, None] < num_bytes) & (c < C)
    is_below, is_beside = 2 * i + 1 < H, 2 * j + 1 < W
    first = _offset(n, c, 2 * i, 2 * j, C, H, W, LAST)
    down, across = _offset(0, 0, 1, 0, C, H, W, LAST), _offset(0, 0, 0, 1, C, H, W, LAST)
    lowest = float("-inf")  # what padding has, is never a first maximum
    upper = tl.load(x + first, is_there, lowest)
    upper_right = tl.load(x + first + across, is_there & is_beside, lowest)
    lower = tl.load(x + first + down, is_there & is_below, lowest)
    lower_right = tl.load(x + first + down + across, is_there & is_below & is_beside, lowest)
    column, lower_column = _wins(upper_right, upper), _wins(lower_right, lower)
    upper = tl.where(column, upper_right, upper)
    lower = tl.where(lower_column, lower_right, lower)
    is_lower = _wins(lower, upper)
    tl.store(y + _offset(n, c, i, j, C, (H + 1) // 2, (W + 1) // 2, LAST), tl.where(is_lower, lower, upper), is_there)
    code = tl.where(is_lower, 2 + lower_column.to(tl.int32), column.to(tl.int32))
    packed = tl.sum(tl.where(is_there, code << (2 * four), 0), axis=1)
    tl.store(codes + byte, packed.to(tl.uint8), byte < num_bytes)


@triton.jit
def scatter(y, codes, x, num_bytes, C, H, W, LAST: tl.constexpr, WIDE: tl.constexpr, BYTES: tl.constexpr):
    """Write to x, (N, C, H, W), the values of y at the places that the codes name, and zeros elsewhere."""
    byte = _bytes(WIDE, BYTES)
    n, g, i, j = _place(byte[:, None], C, H, W, LAST)
    four = tl.arange(0, 4)[None, :]
    c = 4 * g + four
    is_there = (byte[:, None] < num_bytes) & (c < C)
    packed = tl.load(codes + byte, byte < num_bytes, 0).to(tl.int32)
    code = (packed[:, None] >> (2 * four)) & 3
    value = tl.load(y + _offset(n, c, i, j, C, (H + 1) // 2, (W + 1) // 2, LAST), is_there, 0.0)
    nought = tl.zeros_like(value)
    for row in tl.static_range(2):
        for column in tl.static_range(2):
            is_inside = is_there & (2 * i + row < H) & (2 * j + column < W)
            there = _offset(n, c, 2 * i + row, 2 * j + column, C, H, W, LAST)
            tl.store(x + there, tl.where(code == 2 * row + column, value, nought), is_inside)


@triton.jit
def gather(x, codes, y, num_bytes, C, H, W, LAST: tl.constexpr, WIDE: tl.constexpr, BYTES: tl.constexpr):
    """Write to y the values of x, (N, C, H, W), at the places that the codes name."""
    byte = _bytes(WIDE, BYTES)
    n, g, i, j = _place(byte[:, None], C, H, W, LAST)
    four = tl.arange(0, 4)[None, :]
    c = 4 * g + four
    is_there = (byte[:, None] < num_bytes) & (c < C)
    packed = tl.load(codes + byte, byte < num_bytes, 0).to(tl.int32)
    code = (packed[:, None] >> (2 * four)) & 3
    value = tl.load(x + _offset(n, c, 2 * i + code // 2, 2 * j + code % 2, C, H, W, LAST), is_there, 0.0)
    tl.store(y + _offset(n, c, i, j, C, (H + 1) // 2, (W + 1) // 2, LAST), value, is_there)
