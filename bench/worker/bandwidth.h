// How fast this machine reads memory: the ceiling of a decoder that reads all its weights for each
// token.
#ifndef RAGMESH_BENCH_WORKER_BANDWIDTH_H_
#define RAGMESH_BENCH_WORKER_BANDWIDTH_H_

#include <cstddef>

namespace ragmesh::bench {

// Bytes a second, in units of 1e9, of `threads` threads that each read their part of one block of
// `bytes` from end to end, over and over: the best of several rounds. What of the block stays in
// caches from round to round counts, as it does for weights of that size. 0 when there is no memory
// for the block.
double MeasureReadBandwidth(std::size_t bytes, int threads);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_WORKER_BANDWIDTH_H_
