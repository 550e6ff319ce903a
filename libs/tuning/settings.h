// The settings that are tuned, and the values that are tried for each.
#ifndef RAGMESH_LIBS_TUNING_SETTINGS_H_
#define RAGMESH_LIBS_TUNING_SETTINGS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "libs/stages/search_options.h"

namespace ragmesh::tuning {

struct Settings {
  stages::Fusion fusion;
  stages::Bm25 bm25;
};

// Equal settings, or ones that rank alike because they differ only in what their method does not
// read, have equal keys.
std::string KeyOf(const Settings& settings, bool hybrid);

// "z-score, dense weight 0.45, 100 candidates, k1 1.2, b 0.75".
std::string Describe(const Settings& settings, bool hybrid);

// Variants of `settings` that differ in one thing each: the values of axis `axis`.
// Without vectors (`hybrid` false) only BM25 has axes.
std::size_t AxisCount(bool hybrid);
std::vector<Settings> Variants(const Settings& settings, bool hybrid, std::size_t axis);

}  // namespace ragmesh::tuning

#endif  // RAGMESH_LIBS_TUNING_SETTINGS_H_
