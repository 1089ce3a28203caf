# Threads and instruction sets

def set_num_threads(n):
    """Set how many threads a fill may use.

    Results never depend on it. A fill takes one thread for each :data:`ELEMENTS_PER_THREAD` elements, up to this many.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If `n` is not such an integer.

    Examples
    --------
    >>> import initcore
    >>> before = initcore.get_num_threads()
    >>> initcore.set_num_threads(1)
    >>> initcore.get_num_threads()
    1
    >>> initcore.set_num_threads(before)
    """
    global max_threads
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"the number of threads must be an int, not {type(n).__name__}")
    if not 1 <= n <= MOST_THREADS:
        raise ValueError(f"the number of threads must be from 1 to {MOST_THREADS}, got {n}")
    max_threads = n


def get_num_threads():
    """Return how many threads a fill may use; see :func:`set_num_threads`."""
    return max_threads


def isas():
    """Return the names of the instruction sets that this machine has and this build knows, fastest first."""
    return tuple(ic_isa_name(i).decode() for i in range(ic_isa_count()))


def isa():
    """Return the name of the instruction set in use; see :func:`use_isa`."""
    return ic_isa_name(ic_isa_current()).decode()


def use_isa(name):
    """Use an instruction set for all fills from now on.

    Results never depend on it. The environment variable ``INITCORE_ISA`` does the same at import.

    Parameters
    ----------
    name : str
        One of :func:`isas`.

    Raises
    ------
    ValueError
        If this machine or this build does not have it.

    Examples
    --------
    >>> import initcore
    >>> initcore.use_isa("scalar")
    >>> initcore.isa()
    'scalar'
    >>> initcore.use_isa(initcore.isas()[0])
    """
    known = isas()
    if name not in known:
        raise ValueError(f"unknown instruction set {name!r}: this machine and build have {', '.join(known)}")
    ic_isa_use(known.index(name))
