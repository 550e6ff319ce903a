// What this processor can do at most: multiply-adds on registers, nothing loaded or stored.
#ifndef RAGMESH_BENCH_WORKER_PEAK_H_
#define RAGMESH_BENCH_WORKER_PEAK_H_

#include "libs/linalg/gemm.h"

namespace ragmesh::bench {

// Operations a second (a multiply-add counts two), in units of 1e9, with `threads` threads at it
// for about 50 ms. 0 when the processor has no instruction for `precision`.
double MeasurePeak(linalg::Precision precision, int threads);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_WORKER_PEAK_H_
