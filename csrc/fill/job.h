/* A job says what is drawn: by which kernel, with which parameters, from which stream. */
#ifndef IC_JOB_H
#define IC_JOB_H

#include "kernels.h"

typedef struct {
  const ic_kernels *kernels; /* another thread may choose others meanwhile */
  ic_fill_kernel kernel;
  const ic_params *params;
  ic_stream stream;
  ic_dtype dtype;
  int64_t step; /* elements that the kernel makes at a time */
} ic_job;

#endif
