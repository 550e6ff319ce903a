// Text and vectors at random, for benchmarks whose figures do not depend on what they say.
#ifndef RAGMESH_BENCH_STORE_RANDOM_TEXT_H_
#define RAGMESH_BENCH_STORE_RANDOM_TEXT_H_

#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace ragmesh::bench {

// 600 bytes: words of four to ten letters, by Zipf's law over a vocabulary of 20,000.
std::string RandomText(std::mt19937* random);

// Of length 1, in any direction alike.
std::vector<float> RandomUnit(std::size_t dimension, std::mt19937* random);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_STORE_RANDOM_TEXT_H_
