// The tables of kernels, and their products, as parameters of tests.
#ifndef RAGMESH_TESTS_UNIT_LINALG_TABLES_H_
#define RAGMESH_TESTS_UNIT_LINALG_TABLES_H_

#include <algorithm>
#include <string>
#include <vector>

#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"

namespace ragmesh::linalg {

// The table's name as googletest takes it: without hyphens.
inline std::string TableName(const Kernels& table) {
  std::string name = table.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

struct InPrecision {
  const Kernels* table;
  Precision precision;
};

inline std::string Name(const InPrecision& pair) {
  return TableName(*pair.table) + "_" + std::string(ToString(pair.precision));
}

// Every table in every precision for which `code` answers other than null. Tables share much of
// their code, and what it answers the same for is taken once.
template <typename Code>
std::vector<InPrecision> EveryPrecision(const Code& code) {
  std::vector<InPrecision> pairs;
  for (const Kernels* table : SupportedKernels()) {
    for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
      const InPrecision pair = {table, precision};
      const auto same = [&](const InPrecision& other) { return code(other) == code(pair); };
      if (code(pair) != nullptr && std::none_of(pairs.begin(), pairs.end(), same))
        pairs.push_back(pair);
    }
  }
  return pairs;
}

// Of `pairs`, those in int8 or those in the others.
inline std::vector<InPrecision> InInt8(std::vector<InPrecision> pairs, bool int8) {
  std::erase_if(pairs, [int8](const InPrecision& pair) {
    return (pair.precision == Precision::kInt8) != int8;
  });
  return pairs;
}

}  // namespace ragmesh::linalg

#endif  // RAGMESH_TESTS_UNIT_LINALG_TABLES_H_
