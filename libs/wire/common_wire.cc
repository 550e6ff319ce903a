#include "libs/wire/common_wire.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace ragmesh::wire {
namespace {

template <typename Repeated>
std::vector<std::string> Strings(const Repeated& repeated) {
  return {repeated.begin(), repeated.end()};
}

template <typename Repeated>
void SetStrings(const std::vector<std::string>& strings, Repeated* out) {
  *out = {strings.begin(), strings.end()};
}

absl::StatusOr<stages::ByteRange> RangeFrom(bool present, const common::ByteRange& range,
                                            const Field& field) {
  RAGMESH_RETURN_IF_ERROR(Required(present, field));
  if (range.end() < range.begin()) return field.Invalid("ends before it begins");
  return stages::ByteRange{range.begin(), range.end()};
}

void RangeTo(const stages::ByteRange& range, common::ByteRange* out) {
  out->set_begin(range.begin);
  out->set_end(range.end);
}

}  // namespace

common::BlockKind ToProto(stages::BlockKind kind) {
  switch (kind) {
    case stages::BlockKind::kHeading:
      return common::BLOCK_KIND_HEADING;
    case stages::BlockKind::kParagraph:
      return common::BLOCK_KIND_PARAGRAPH;
    case stages::BlockKind::kListItem:
      return common::BLOCK_KIND_LIST_ITEM;
    case stages::BlockKind::kTableRow:
      return common::BLOCK_KIND_TABLE_ROW;
    case stages::BlockKind::kCode:
      return common::BLOCK_KIND_CODE;
  }
  return common::BLOCK_KIND_UNSPECIFIED;
}

absl::StatusOr<stages::BlockKind> FromProto(common::BlockKind kind, const Field& field) {
  switch (kind) {
    case common::BLOCK_KIND_HEADING:
      return stages::BlockKind::kHeading;
    case common::BLOCK_KIND_PARAGRAPH:
      return stages::BlockKind::kParagraph;
    case common::BLOCK_KIND_LIST_ITEM:
      return stages::BlockKind::kListItem;
    case common::BLOCK_KIND_TABLE_ROW:
      return stages::BlockKind::kTableRow;
    case common::BLOCK_KIND_CODE:
      return stages::BlockKind::kCode;
    default:
      return field.Invalid("is not a known kind of block");
  }
}

void ToProto(const stages::Block& block, common::Block* out) {
  out->set_kind(ToProto(block.kind));
  out->set_text(block.text);
  RangeTo(block.range, out->mutable_range());
  out->set_page(block.page);
  out->set_level(block.level);
  SetStrings(block.heading_path, out->mutable_heading_path());
  out->set_table(block.table);
  SetStrings(block.cells, out->mutable_cells());
  SetStrings(block.header_cells, out->mutable_header_cells());
}

absl::StatusOr<stages::Block> FromProto(const common::Block& in, const Field& field) {
  stages::Block block;
  RAGMESH_ASSIGN_OR_RETURN(block.kind, FromProto(in.kind(), Field(field, "kind")));
  RAGMESH_ASSIGN_OR_RETURN(block.range,
                           RangeFrom(in.has_range(), in.range(), Field(field, "range")));
  RAGMESH_RETURN_IF_ERROR(
      CheckBytes(in.text(), 1, std::numeric_limits<std::size_t>::max(), Field(field, "text")));
  if (block.range.size() != in.text().size()) {
    return Field(field, "range")
        .Invalid(absl::StrCat("spans ", block.range.size(), " bytes but the text has ",
                              in.text().size()));
  }
  block.text = in.text();
  block.page = in.page();
  block.level = in.level();
  block.heading_path = Strings(in.heading_path());
  block.table = in.table();
  block.cells = Strings(in.cells());
  block.header_cells = Strings(in.header_cells());
  return block;
}

void ToProto(const stages::DocumentInfo& info, common::DocumentInfo* out) {
  out->set_sha256(info.sha256);
  out->set_media_type(info.media_type);
  out->set_title(info.title);
  out->set_language(info.language);
  out->set_parser(info.parser);
  out->set_normalisation(info.normalisation);
  *out->mutable_properties() = {info.properties.begin(), info.properties.end()};
  auto* coverage = out->mutable_coverage();
  coverage->set_bytes_in(info.coverage.bytes_in);
  coverage->set_characters_out(info.coverage.characters_out);
  coverage->set_pages(info.coverage.pages);
  *coverage->mutable_empty_pages() = {info.coverage.empty_pages.begin(),
                                      info.coverage.empty_pages.end()};
  coverage->set_blocks(info.coverage.blocks);
  SetStrings(info.coverage.warnings, coverage->mutable_warnings());
}

stages::DocumentInfo FromProto(const common::DocumentInfo& in) {
  stages::DocumentInfo info;
  info.sha256 = in.sha256();
  info.media_type = in.media_type();
  info.title = in.title();
  info.language = in.language();
  info.parser = in.parser();
  info.normalisation = in.normalisation();
  info.properties.insert(in.properties().begin(), in.properties().end());
  const auto& coverage = in.coverage();
  info.coverage.bytes_in = coverage.bytes_in();
  info.coverage.characters_out = coverage.characters_out();
  info.coverage.pages = coverage.pages();
  info.coverage.empty_pages.assign(coverage.empty_pages().begin(), coverage.empty_pages().end());
  info.coverage.blocks = coverage.blocks();
  info.coverage.warnings = Strings(coverage.warnings());
  return info;
}

void ToProto(const stages::Chunk& chunk, common::Chunk* out) {
  out->set_ordinal(chunk.ordinal);
  RangeTo(chunk.range, out->mutable_range());
  out->set_overlap_begin(chunk.overlap_begin);
  out->set_text(chunk.text);
  out->set_context(chunk.context);
  SetStrings(chunk.heading_path, out->mutable_heading_path());
  out->set_page_begin(chunk.page_begin);
  out->set_page_end(chunk.page_end);
  out->set_token_count(chunk.token_count);
  out->set_kind(ToProto(chunk.kind));
}

absl::StatusOr<stages::Chunk> FromProto(const common::Chunk& in, const Field& field) {
  stages::Chunk chunk;
  RAGMESH_ASSIGN_OR_RETURN(chunk.kind, FromProto(in.kind(), Field(field, "kind")));
  RAGMESH_ASSIGN_OR_RETURN(chunk.range,
                           RangeFrom(in.has_range(), in.range(), Field(field, "range")));
  if (in.overlap_begin() > in.range().begin()) {
    return Field(field, "overlap_begin")
        .Invalid("lies after the beginning of the chunk's own range");
  }
  if (in.text().size() != in.range().end() - in.overlap_begin()) {
    return Field(field, "text")
        .Invalid(absl::StrCat("has ", in.text().size(), " bytes but its range with overlap spans ",
                              in.range().end() - in.overlap_begin()));
  }
  chunk.ordinal = in.ordinal();
  chunk.overlap_begin = in.overlap_begin();
  chunk.text = in.text();
  chunk.context = in.context();
  chunk.heading_path = Strings(in.heading_path());
  chunk.page_begin = in.page_begin();
  chunk.page_end = in.page_end();
  chunk.token_count = in.token_count();
  return chunk;
}

void ToProto(const stages::StageInfo& info, common::StageInfo* out) {
  out->set_stage(info.stage);
  out->set_version(info.version);
  out->set_commit(info.commit);
  out->set_kernel(info.kernel);
  out->set_ready(info.ready);
  out->set_not_ready_reason(info.not_ready_reason);
  common::ModelInfo model;
  model.set_name(info.model.name);
  model.set_digest(info.model.digest);
  model.set_architecture(info.model.architecture);
  model.set_precision(info.model.precision);
  model.set_dimension(info.model.dimension);
  model.set_max_tokens(info.model.max_tokens);
  if (model.ByteSizeLong() > 0) *out->mutable_model() = std::move(model);  // unset: no model
  *out->mutable_limits() = {info.limits.begin(), info.limits.end()};
  *out->mutable_features() = {info.features.begin(), info.features.end()};
}

stages::StageInfo FromProto(const common::StageInfo& in) {
  stages::StageInfo info;
  info.stage = in.stage();
  info.version = in.version();
  info.commit = in.commit();
  info.kernel = in.kernel();
  info.ready = in.ready();
  info.not_ready_reason = in.not_ready_reason();
  info.model = {in.model().name(),      in.model().digest(),    in.model().architecture(),
                in.model().precision(), in.model().dimension(), in.model().max_tokens()};
  info.limits.insert(in.limits().begin(), in.limits().end());
  info.features.insert(in.features().begin(), in.features().end());
  return info;
}

common::SearchMode ToProto(stages::SearchMode mode) {
  switch (mode) {
    case stages::SearchMode::kHybrid:
      return common::SEARCH_MODE_HYBRID;
    case stages::SearchMode::kDense:
      return common::SEARCH_MODE_DENSE;
    case stages::SearchMode::kLexical:
      return common::SEARCH_MODE_LEXICAL;
  }
  return common::SEARCH_MODE_UNSPECIFIED;
}

absl::StatusOr<stages::SearchMode> FromProto(common::SearchMode mode, const Field& field) {
  switch (mode) {
    case common::SEARCH_MODE_UNSPECIFIED:
    case common::SEARCH_MODE_HYBRID:
      return stages::SearchMode::kHybrid;
    case common::SEARCH_MODE_DENSE:
      return stages::SearchMode::kDense;
    case common::SEARCH_MODE_LEXICAL:
      return stages::SearchMode::kLexical;
    default:
      return field.Invalid("is not a known search mode");
  }
}

void ToProto(const stages::Fusion& fusion, common::Fusion* out) {
  out->set_method(fusion.method == stages::FusionMethod::kZScore
                      ? common::Fusion::METHOD_Z_SCORE
                      : common::Fusion::METHOD_RECIPROCAL_RANK);
  out->set_dense_weight(fusion.dense_weight);
  out->set_rank_constant(fusion.rank_constant);
  out->set_candidates(fusion.candidates);
}

absl::StatusOr<stages::Fusion> FromProto(const common::Fusion& in, const Field& field) {
  stages::Fusion fusion;
  switch (in.method()) {
    case common::Fusion::METHOD_UNSPECIFIED:
    case common::Fusion::METHOD_Z_SCORE:
      break;
    case common::Fusion::METHOD_RECIPROCAL_RANK:
      fusion.method = stages::FusionMethod::kReciprocalRank;
      break;
    default:
      return Field(field, "method").Invalid("is not a known fusion method");
  }
  if (in.has_dense_weight()) {
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.dense_weight(), 0, 1, Field(field, "dense_weight")));
    fusion.dense_weight = in.dense_weight();
  }
  if (in.has_rank_constant()) {
    const Field constant(field, "rank_constant");
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.rank_constant(), 0, 1e9, constant));
    if (in.rank_constant() == 0) return constant.Invalid("must be more than 0");
    fusion.rank_constant = in.rank_constant();
  }
  if (in.candidates() != 0) {
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.candidates(), 1, 10'000, Field(field, "candidates")));
    fusion.candidates = in.candidates();
  }
  return fusion;
}

void ToProto(const stages::RerankWeights& weights, common::RerankWeights* out) {
  out->set_lexical(weights.lexical);
  out->set_dense(weights.dense);
  out->set_model(weights.model);
}

absl::StatusOr<stages::RerankWeights> FromProto(const common::RerankWeights& in,
                                                const Field& field) {
  constexpr double kMax = 1e6;
  RAGMESH_RETURN_IF_ERROR(CheckRange(in.lexical(), 0, kMax, Field(field, "lexical")));
  RAGMESH_RETURN_IF_ERROR(CheckRange(in.dense(), 0, kMax, Field(field, "dense")));
  RAGMESH_RETURN_IF_ERROR(CheckRange(in.model(), 0, kMax, Field(field, "model")));
  if (in.lexical() + in.dense() + in.model() <= 0) return field.Invalid("has no positive weight");
  return stages::RerankWeights{.lexical = in.lexical(), .dense = in.dense(), .model = in.model()};
}

void ToProto(const stages::PassageTokens& tokens, common::PassageTokens* out) {
  out->set_tokenizer(tokens.tokenizer);
  *out->mutable_ids() = {tokens.ids.begin(), tokens.ids.end()};
  out->set_encoder(tokens.encoder);
  out->set_vectors(tokens.vectors);
}

stages::PassageTokens FromProto(const common::PassageTokens& in) {
  return {in.tokenizer(), {in.ids().begin(), in.ids().end()}, in.encoder(), in.vectors()};
}

absl::Status CheckTokens(const common::PassageTokens& tokens, const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckDigest(tokens.tokenizer(), Field(field, "tokenizer")));
  RAGMESH_RETURN_IF_ERROR(CheckCount(tokens.ids_size(), 0,
                                     tokens.tokenizer().empty() ? 0 : stages::kMaxPassageIds, "ids",
                                     Field(field, "ids")));
  RAGMESH_RETURN_IF_ERROR(CheckDigest(tokens.encoder(), Field(field, "encoder")));
  return CheckBytes(tokens.vectors(), 0,
                    tokens.encoder().empty() ? 0 : stages::kMaxPassageVectorBytes,
                    Field(field, "vectors"));
}

void ToProto(absl::Time time, google::protobuf::Timestamp* out) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  constexpr std::int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
  constexpr std::int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z
  return absl::FromUnixSeconds(
             std::clamp<std::int64_t>(time.seconds(), kFirstSecond, kLastSecond)) +
         absl::Nanoseconds(std::clamp(time.nanos(), 0, 999'999'999));
}

}  // namespace ragmesh::wire
