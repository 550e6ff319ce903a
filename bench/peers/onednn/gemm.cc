// The peer for matrix products: oneDNN behind the bench worker protocol (see ../README.md), its
// gemm part.
//
// C[m,n] = A[m,k] * B[k,n]. B is reordered once into the layout that oneDNN asks for, as weights
// are in real use. Integer products end in f32 with one scale for each column. Four ways lead there
// (matmul or inner product, signed or unsigned activations); each shape uses whichever is fastest
// here.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using dnnl::memory;
using nlohmann::json;
using Type = memory::data_type;
using Tag = memory::format_tag;

// One timed run repeats the product for at least this long, since a small one takes microseconds.
constexpr double kRunSeconds = 0.01;

struct Shape {
  memory::dim m, n, k;
};

dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& Stream() {
  static dnnl::stream stream(Engine());
  return stream;
}

void Reorder(memory from, memory to) {
  dnnl::reorder(from, to).execute(Stream(), from, to);
  Stream().wait();
}

// A memory of this layout, filled through f32 with values from -2 to 2.
memory Filled(const memory::desc& layout, Type type, const memory::dims& dims) {
  memory plain({dims, Type::f32, Tag::ab}, Engine());
  auto* values = static_cast<float*>(plain.get_data_handle());
  uint32_t state = 1;
  for (memory::dim i = 0; i < dims[0] * dims[1]; ++i) {
    state = state * 1664525u + 1013904223u;
    values[i] = static_cast<float>(state >> 30) - (type == Type::u8 ? 0.0f : 1.0f);
  }
  memory filled(layout, Engine());
  Reorder(plain, filled);
  return filled;
}

using Product = std::function<void()>;

dnnl::primitive_attr ColumnScales(Type activations, memory::dim n) {
  dnnl::primitive_attr attributes;
  if (activations == Type::u8 || activations == Type::s8) {
    attributes.set_output_scales(1 << 1, std::vector<float>(static_cast<size_t>(n), 0.01f));
  }
  return attributes;
}

Product Matmul(const Shape& s, Type activations, Type weights) {
  const memory::desc a({s.m, s.k}, activations, Tag::ab);
  const memory::desc b({s.k, s.n}, weights, Tag::any);
  const memory::desc c({s.m, s.n}, Type::f32, Tag::ab);
  const dnnl::matmul::primitive_desc plan(dnnl::matmul::desc(a, b, c),
                                          ColumnScales(activations, s.n), Engine());
  return [matmul = dnnl::matmul(plan), a = Filled(a, activations, {s.m, s.k}),
          b = Filled(plan.weights_desc(), weights, {s.k, s.n}), c = memory(c, Engine())]() mutable {
    matmul.execute(Stream(), {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
  };
}

Product InnerProduct(const Shape& s, Type activations, Type weights) {
  const memory::desc a({s.m, s.k}, activations, Tag::ab);
  const memory::desc b({s.n, s.k}, weights, Tag::any);
  const memory::desc c({s.m, s.n}, Type::f32, Tag::ab);
  const dnnl::inner_product_forward::primitive_desc plan(
      dnnl::inner_product_forward::desc(dnnl::prop_kind::forward_inference, a, b, c),
      ColumnScales(activations, s.n), Engine());
  return [product = dnnl::inner_product_forward(plan), a = Filled(a, activations, {s.m, s.k}),
          b = Filled(plan.weights_desc(), weights, {s.n, s.k}), c = memory(c, Engine())]() mutable {
    product.execute(Stream(), {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
  };
}

std::vector<Product> Candidates(const Shape& shape, const std::string& precision) {
  std::vector<std::pair<Type, Type>> types;
  if (precision == "f32") types = {{Type::f32, Type::f32}};
  if (precision == "bf16") types = {{Type::bf16, Type::bf16}};
  if (precision == "int8") types = {{Type::u8, Type::s8}, {Type::s8, Type::s8}};
  if (types.empty()) throw std::invalid_argument("precision '" + precision + "' is not offered");
  std::vector<Product> candidates;
  for (const auto& [activations, weights] : types) {
    candidates.push_back(Matmul(shape, activations, weights));
    candidates.push_back(InnerProduct(shape, activations, weights));
  }
  return candidates;
}

double Seconds(Product& product, int64_t times) {
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < times; ++i) product();
  Stream().wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Seconds that one product takes, measured over kRunSeconds.
double SecondsEach(Product& product) {
  const double one = std::max(Seconds(product, 1), 1e-7);
  const auto times = static_cast<int64_t>(kRunSeconds / one) + 1;
  return Seconds(product, times) / static_cast<double>(times);
}

// The fastest candidate by the best of three interleaved trials.
Product Fastest(std::vector<Product> candidates) {
  std::vector<double> least(candidates.size(), std::numeric_limits<double>::infinity());
  for (int trial = 0; trial < 3; ++trial) {
    for (size_t i = 0; i < candidates.size(); ++i)
      least[i] = std::min(least[i], SecondsEach(candidates[i]));
  }
  return candidates[static_cast<size_t>(std::min_element(least.begin(), least.end()) -
                                        least.begin())];
}

json Gemm(const json& request) {
  const Shape shape{request.at("m"), request.at("n"), request.at("k")};
  const std::string precision = request.at("precision");
  const int threads = request.at("threads");
  // Primitives plan for the number of threads at their creation. The choice is kept, so that all
  // rounds time the same.
  omp_set_num_threads(threads);
  static std::map<std::tuple<memory::dim, memory::dim, memory::dim, std::string, int>, Product>
      chosen;
  Product& product = chosen[{shape.m, shape.n, shape.k, precision, threads}];
  if (!product) product = Fastest(Candidates(shape, precision));
  SecondsEach(product);  // warm-up
  const double operations = 2.0 * static_cast<double>(shape.m * shape.n * shape.k);
  std::vector<double> gops(request.value("runs", size_t{5}));
  for (double& value : gops) value = operations / SecondsEach(product) / 1e9;
  return {{"gops", gops}};
}

json Info() {
  const dnnl_version_t& version = *dnnl::version();
  return {
      {"name", "onednn"},
      {"version", std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
                      std::to_string(version.patch)},
      {"precisions", {"f32", "bf16", "int8"}},
      {"notes", "packed weights; per shape the fastest of matmul and inner product, u8 and s8"}};
}

json Answer(const json& request) {
  const std::string op = request.at("op");
  if (op == "info") return Info();
  if (op == "gemm") return Gemm(request);
  return {{"error", "op '" + op + "' is not offered"}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    json answer;
    try {
      const json request = json::parse(line);
      if (request.at("op") == "quit") break;
      answer = Answer(request);
    } catch (const std::exception& problem) {
      answer = {{"error", problem.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
}
