# cython: boundscheck=False, binding=False
"""The handler of XLA's custom calls, for ``initcore.jax``: C fills what it can, and asks Python for the rest."""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

cimport numpy as cnp

from initcore._core cimport xla_handler
from initcore._csrc cimport ic_xla_part

cnp.import_array()

cdef object _fill_part = None


cdef int fill_part(const ic_xla_part *part, char *error, size_t error_bytes) noexcept with gil:
    """Have Python fill a part; write what it raised to `error`, and return whether it raised nothing."""
    cdef int64_t itemsize = 1
    cdef int i
    try:
        local = tuple([part.local[i] for i in range(part.ndim)])
        whole = tuple([part.whole[i] for i in range(part.ndim)])
        first = tuple([part.first[i] for i in range(part.ndim)])
        words = tuple([int(part.words[i]) for i in range(part.word_count)])
        _fill_part((<const char *>part.law)[:part.law_bytes].decode(), <size_t>part.out, local, whole, first, words)
    except BaseException as raised:
        text = f"initcore: {type(raised).__name__}: {raised}".encode()[:error_bytes - 1] + b"\0"
        memcpy(error, <const char *>text, len(text))
        return 0
    return 1


def handler(others):
    """Return a capsule of the handler, for ``jax.ffi.register_ffi_target``.

    `others` fills what the core does not: it is called with a law in text, an address, and, as tuples, the shape of the
    memory there, the global shape, the shard's first index in it, and the words of the key.
    """
    global _fill_part
    _fill_part = others
    return PyCapsule_New(xla_handler(fill_part), NULL, NULL)
