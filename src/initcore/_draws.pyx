# cython: boundscheck=False, binding=False
"""Keys and draws: which stream a fill takes its numbers from, and which of its draws."""

cimport cython
from libc.stdint cimport int64_t, uint32_t

from initcore._csrc cimport ic_claim, ic_load, ic_store, ic_stream

cdef object _resolve = None  # what an `rng` stands for: streams.resolve
cdef dict _of_seeds = {}  # what it returned for ints: to ask it takes longer than a small fill


def resolve_by(resolve):
    """Have a function tell what stands for a source that is none of these classes."""
    global _resolve
    _resolve = resolve


cdef class KeyedStream:
    """The key of a stream, worked out when it is first needed."""

    cdef int find_key(self) except -1:
        """Threads without a GIL may do so at once, and then write the same words."""
        if not ic_load(&self.known):
            self.k0, self.k1 = self._derive_key()
            ic_store(&self.known, 1)
        return 0

    @property
    def key(self):
        """The Philox key: two words."""
        self.find_key()
        return int(self.k0), int(self.k1)


cdef class DrawCounter:
    """A stream and the number of its next draw, which threads take one after the other."""

    def _begin(self, KeyedStream stream, int64_t draw):
        self.stream = stream
        self.next_draw = draw

    @property
    def draw(self):
        """The number of the next draw."""
        return min(self.next_draw, 1 << 32)

    def _give_back(self, int64_t draw):
        """Take back the only draw that was taken since the next one was `draw`; others since then let it be."""
        if self.next_draw == draw + 1:
            self.next_draw = draw

    cdef int64_t take(self) except -1:
        cdef int64_t draw = ic_claim(&self.next_draw)
        if draw > 0xffffffff:
            self.next_draw = 1 << 32
            raise OverflowError("this Generator has made its 2**32 draws; use another seed or path")
        return draw


@cython.final
cdef class Draw:
    """One draw of a stream, for what takes more than one fill: as `rng`, it gives the same numbers each time."""

    def at_plane(self, uint32_t plane):
        """Return the draw's words that no value uses; planes with bit 30 set."""
        cdef Draw other = Draw()
        other.stream = self.stream
        other.stream.plane = plane
        return other

    def __repr__(self):
        return "Draw {} of the key ({}, {})".format(self.stream.draw, self.stream.key[0], self.stream.key[1])

    def __reduce__(self):
        cdef ic_stream stream = self.stream
        return draw_of, (stream.key[0], stream.key[1], stream.plane, stream.draw)


def draw_of(uint32_t first, uint32_t second, uint32_t plane, uint32_t draw):
    """Return the draw of a key: what a pickled one is made of."""
    cdef Draw it = Draw()
    it.stream.key[0] = first
    it.stream.key[1] = second
    it.stream.plane = plane
    it.stream.draw = draw
    return it


cdef object stream_of_seed(object seed):
    """Return the stream of an int, which never changes."""
    stream = _of_seeds.get(seed)
    if stream is None:
        stream = _resolve(seed)
        if len(_of_seeds) >= 128:
            _of_seeds.clear()
        _of_seeds[seed] = stream
    return stream


cdef int take_draw(object rng, ic_stream *stream) except -1:
    """Write the draw that a fill with `rng` takes, taking it."""
    cdef KeyedStream keyed
    if type(rng) is Draw:
        stream[0] = (<Draw>rng).stream
        return 0
    stream.plane = 0
    stream.draw = 0
    if isinstance(rng, DrawCounter):
        keyed = (<DrawCounter>rng).stream
        if keyed is None:
            raise ValueError(f"{type(rng).__name__} was made without its __init__: it has no stream")
        keyed.find_key()
        stream.draw = <uint32_t>(<DrawCounter>rng).take()
    elif isinstance(rng, KeyedStream):
        keyed = rng
        keyed.find_key()
    else:
        return take_draw(stream_of_seed(rng) if type(rng) is int else _resolve(rng), stream)
    stream.key[0] = keyed.k0
    stream.key[1] = keyed.k1
    return 0


def take(rng):
    """Return the draw that a fill with `rng` would take, taking it."""
    cdef Draw draw = Draw()
    take_draw(rng, &draw.stream)
    return draw


def prepare(rng):
    """Return `rng` as a source whose key is found: what may call its methods is then behind us."""
    if type(rng) is Draw:
        return rng
    if not isinstance(rng, (KeyedStream, DrawCounter)):
        rng = _resolve(rng)
    keyed = rng if isinstance(rng, KeyedStream) else (<DrawCounter>rng).stream
    if keyed is not None and not isinstance(keyed, DrawnKeys):
        (<KeyedStream>keyed).find_key()
    return rng


@cython.final
cdef class DrawnKeys(KeyedStream):
    """A source that has another key for each fill: two words of memory, which `draw` writes when it is called.

    It is called when a fill has found nothing to refuse.
    """

    def __cinit__(self, draw, size_t address):
        self.draw = draw
        self.address = address

    cdef int find_key(self) except -1:
        self.draw()
        self.k0 = (<uint32_t *>self.address)[0]
        self.k1 = (<uint32_t *>self.address)[1]
        return 0
