# cython: boundscheck=False, binding=False
"""Calls of Python functions that are done in C where nothing about them is unusual.

To call a Python function that has keywords and ``**unknown``, and to make the call in it, takes 0.14 us, in C 0.06. A
stand-in has the signature and the documentation of its function, which is called for all that is not done here.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from initcore._core cimport MOST_PARAMS, describe_target, draw_into, prepare_values
from initcore._csrc cimport ic_array, ic_prepared

from functools import update_wrapper

from initcore import _core

cdef extern from *:
    """
    static vectorcallfunc *call_of(PyObject *it) {
      const Py_ssize_t offset = Py_TYPE(it)->tp_vectorcall_offset;
      return offset > 0 ? (vectorcallfunc *)((char *)it + offset) : NULL;
    }
    static PyObject *owned(PyObject *it) {
      Py_INCREF(it);
      return it;
    }
    """
    ctypedef PyObject *(*vectorcallfunc)(PyObject *it, PyObject *const *args, size_t flags, PyObject *words) except NULL
    vectorcallfunc *call_of(object it)
    PyObject *owned(object it)
    Py_ssize_t PyVectorcall_NARGS(size_t flags)
    PyObject *PyObject_Vectorcall(PyObject *it, PyObject *const *args, size_t flags, PyObject *words) except NULL
    long long PyLong_AsLongLongAndOverflow(object it, int *overflow)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *it)
    PyObject *PyTuple_GET_ITEM(PyObject *it, Py_ssize_t i)

cdef enum:
    MOST_NAMES = 12
    MOST_QUICK = 8

cdef struct Row:
    PyObject *stand_in
    PyObject *quick

cdef Row rows[MOST_QUICK]
cdef int row_count = 0
cdef int leave_all = 0  # to the functions
cdef list kept = []  # what the rows point to: functions of modules, for as long as the process lives


cdef int sort(tuple names, Py_ssize_t positional, PyObject *const *args, Py_ssize_t count, PyObject *words,
              PyObject **given) noexcept:
    """Write the arguments in the order of the names, NULL for those not given; return whether all are known."""
    cdef Py_ssize_t i, k, size = PyTuple_GET_SIZE(<PyObject *>names)
    if count > positional:
        return 0
    for i in range(size):
        given[i] = args[i] if i < count else NULL
    for i in range(0 if words == NULL else PyTuple_GET_SIZE(words)):
        for k in range(count, size):
            if PyTuple_GET_ITEM(words, i) == PyTuple_GET_ITEM(<PyObject *>names, k):  # interned, or Python looks
                given[k] = args[count + i]
                break
        else:
            return 0
    return 1


@cython.final
cdef class Fill:
    """How a function is called that fills by the distribution whose parameters follow the function's first one."""

    cdef object function
    cdef tuple names
    cdef int positional, dist, params, rng, shard
    cdef double defaults[MOST_PARAMS]

    def __cinit__(self, function, name):
        code = function.__code__
        self.function, self.positional = function, code.co_argcount
        self.names = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
        self.dist, params = _core.DISTS[name]
        self.params = len(params)
        if self.names[0] != "out" or self.names[1:self.positional] != params or len(self.names) > MOST_NAMES:
            raise ValueError(f"{function.__name__} does not take the parameters of {name}")
        self.rng, self.shard = self.names.index("rng"), self.names.index("shard")
        for i, value in enumerate(function.__defaults__ or ()):
            self.defaults[i] = value

    cdef object call(self, PyObject **given):
        """Fill and return the array, or return None if the function must be called: then nothing has been done."""
        cdef double values[MOST_PARAMS]
        cdef ic_array array
        cdef ic_prepared prepared
        cdef int i, overflow
        if given[0] == NULL:
            return None
        for i in range(self.params):
            if given[1 + i] == NULL:
                values[i] = self.defaults[i]
            elif type(<object>given[1 + i]) is float:
                values[i] = <double><object>given[1 + i]
            elif type(<object>given[1 + i]) is int:
                values[i] = <double>PyLong_AsLongLongAndOverflow(<object>given[1 + i], &overflow)
                if overflow:
                    return None
            else:
                return None
        for i in range(self.positional, len(self.names)):
            if i != self.rng and given[i] != NULL and not (i == self.shard and <object>given[i] is None):
                return None
        out = <object>given[0]
        cdef int64_t size = describe_target(out, self.dist, None, &array)
        if prepare_values(self.dist, values, array.dtype, &prepared).rule != NULL:
            return None
        draw_into(out, &array, size, &prepared, None if given[self.rng] == NULL else <object>given[self.rng])
        return out


cdef object tried(Fill fill, PyObject *const *args, Py_ssize_t count, PyObject *words):
    cdef PyObject *given[MOST_NAMES]
    return fill.call(given) if not leave_all and sort(fill.names, fill.positional, args, count, words, given) else None


cdef PyObject *called(PyObject *stand_in, PyObject *const *args, size_t flags, PyObject *words) except NULL:
    cdef int i = 0
    while rows[i].stand_in != stand_in:
        i += 1
    result = tried(<Fill>rows[i].quick, args, PyVectorcall_NARGS(flags), words)
    if result is None:
        return PyObject_Vectorcall(<PyObject *>(<Fill>rows[i].quick).function, args, flags, words)
    return owned(result)


def leave_to_functions(bint whether):
    """For tests that count or replace ``_core.fill``: leave all calls to the functions, or no longer."""
    global leave_all
    leave_all = whether


def fills(name):
    """Return a decorator of functions that fill by a distribution, given as the name of its row in DISTS."""
    def decorated(function):
        global row_count

        @cython.binding(True)
        def stand_in(*args, **given):
            return function(*args, **given)

        update_wrapper(stand_in, function)
        if row_count < MOST_QUICK and call_of(stand_in) != NULL:
            fill = Fill(function, name)
            kept.append((stand_in, fill))
            rows[row_count] = Row(<PyObject *>stand_in, <PyObject *>fill)
            row_count += 1
            call_of(stand_in)[0] = called
        return stand_in
    return decorated
