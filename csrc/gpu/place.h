/* Where a thread of a device writes: which rows of a launch are its own, and which blocks of a row. */

/* One row, and a thread's part of it: blocks `first`, `first` + `step` ... of the `blocks` that the row touches */
typedef struct {
  uint8_t *out;           /* of the row's first element, */
  int64_t before;         /* which has so many others before it in its block, */
  uint64_t block;         /* that is this one */
  int64_t length, stride; /* elements, bytes */
  int64_t first, step, blocks;
} ic_row;

IC_INLINE int64_t row_first(void) { return (int64_t)blockIdx.y * blockDim.y + threadIdx.y; }
IC_INLINE int64_t row_step(void) { return (int64_t)gridDim.y * blockDim.y; }

IC_INLINE ic_row row_of(const ic_launch *launch, int64_t number) {
  uint64_t out = launch->out, index = launch->first_index;
  IC_NOT_UNROLLED
  for (int i = 0; i < IC_LAUNCH_AXES && number > 0; i++) { /* what is left is the place along the axes from i on */
    const ic_axis *axis = &launch->axis[i];
    const int64_t left = (int64_t)((uint64_t)number / (uint64_t)axis->length), place = number - left * axis->length;
    out += (uint64_t)(place * axis->stride);
    index += (uint64_t)(place * axis->index_stride);
    number = left;
  }
  ic_row row;
  row.out = (uint8_t *)(uintptr_t)out;
  row.before = (int64_t)(index % 4);
  row.block = index / 4;
  row.length = launch->row.length;
  row.stride = launch->row.stride;
  row.blocks = (row.before + row.length + 3) / 4;
  row.first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  row.step = (int64_t)gridDim.x * blockDim.x;
  return row;
}

/* Writes what a row has of its block number `at`, whose four elements are in `bytes`; returns a bit for each that it
 * has. Whole blocks that memory holds side by side go there at once, in pieces of up to 16 bytes. */
IC_INLINE uint32_t row_put_block(const ic_row *row, int64_t at, const uint8_t *bytes, int itemsize) {
  const int64_t element = 4 * at - row->before;
  uint8_t *out = row->out + element * row->stride;
  const int piece = 4 * itemsize < 16 ? 4 * itemsize : 16;
  if (element >= 0 && element + 4 <= row->length && row->stride == itemsize && (uintptr_t)out % (uintptr_t)piece == 0) {
    for (int i = 0; i < 4 * itemsize; i += piece) ic_put_piece(out + i, bytes + i, piece);
    return 15;
  }
  uint32_t has = 0;
  for (int j = 0; j < 4; j++)
    if (element + j >= 0 && element + j < row->length) {
      ic_put_element(out + j * row->stride, bytes + j * itemsize, itemsize);
      has |= 1u << j;
    }
  return has;
}

/* Writes one of the elements that row_put_block has said a row has */
IC_INLINE void row_put_element(const ic_row *row, int64_t at, int j, const uint8_t *bytes, int itemsize) {
  ic_put_element(row->out + (4 * at - row->before + j) * row->stride, bytes, itemsize);
}
