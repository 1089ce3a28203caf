# cython: boundscheck=False, binding=False
"""Small tensors of torch: what the facade does for each of them, without Python's share of the time."""

cimport cython

from initcore._arrays cimport Memory as CMemory

from initcore import _core, formulas
from initcore._arrays import Memory


@cython.final
cdef class PlainTensors:
    """Finds the memory of plain tensors, and fills it.

    A tensor is plain if its type is one of two, its elements lie on the CPU in C order as they are, and nothing observes
    what is written to them. torch takes 0.1 us for each of the eleven questions; Python would add as much.

    Parameters
    ----------
    types : tuple of two types
        torch's classes of tensors and of parameters.
    kinds : dict
        What stands for each dtype in a Memory.
    mode_count, transformation, trace : callable
        Tell which dispatch modes, function transformations and traces are active.
    written : callable
        Is told, by a list of one tensor, that it was written to.
    words : object
        Its attribute ``of_default`` is the source of keys of torch's default generator in this thread.
    dists : dict
        From an initializer to its distribution, for those whose arguments are the distribution's parameters.
    names : dict
        From an initializer to the name of its formula, for those whose scale comes from the fans.
    """

    cdef object tensor, parameter, mode_count, transformation, trace, written, words
    cdef dict kinds, dists, names

    def __cinit__(self, tuple types, dict kinds, mode_count, transformation, trace, written, words, dict dists,
                  dict names):
        self.tensor, self.parameter = types
        self.kinds = kinds
        self.mode_count, self.transformation, self.trace = mode_count, transformation, trace
        self.written, self.words = written, words
        self.dists, self.names = dists, names

    def memory_of(self, tensor):
        """Return the Memory of a plain tensor, and None for all others."""
        if type(tensor) is not self.tensor and type(tensor) is not self.parameter:
            return None
        if not tensor.is_cpu or tensor.is_nested or tensor.is_neg() or tensor.is_inference():
            return None
        if self.mode_count() or self.transformation() is not None or self.trace():
            return None
        kind = self.kinds.get(tensor.dtype)
        try:
            if kind is None or not tensor.is_contiguous():
                return None
            address = tensor.data_ptr()
        except RuntimeError:  # the tensor is sparse, or has no storage for another reason
            return None
        return Memory(address, tensor.shape, kind) if address else None

    cdef object law_of(self, ours, CMemory memory, tuple args):
        """Return the distribution by which an initializer fills memory, or None if it must be asked itself."""
        name = self.names.get(ours)
        if name is None:
            return None
        for value in args:
            if type(value) not in formulas.LASTING:
                return None
        return formulas.of_shape(name, memory.sizes, *args)

    def fill(self, ours, tensor, tuple args):
        """Fill a plain tensor by an initializer from torch's default generator, and return whether it was filled.

        It is not if it is not plain, or if the initializer refuses the arguments, before anything is written.
        """
        memory = self.memory_of(tensor)
        if memory is None:
            return False
        rng = self.words.of_default
        dist = self.dists.get(ours)
        try:
            if dist is not None:
                _core.fill(memory, dist, args, rng)
            elif (law := self.law_of(ours, memory, args)) is not None:
                law.fill(memory, rng)
            else:
                ours(memory, *args, rng=rng)
        except (TypeError, ValueError):
            return False
        except BaseException:  # an interrupt can leave the tensor partly written
            self.written([tensor])
            raise
        self.written([tensor])
        return True
