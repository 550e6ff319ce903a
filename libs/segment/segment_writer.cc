#include "libs/segment/segment_writer.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/vector_index/list_builder.h"

namespace ragmesh::segment {
namespace {

constexpr std::uint32_t kChunksPerCheck = 1024;  // between two looks at the call

// Where a kept chunk comes from.
struct Origin {
  std::uint32_t part = 0;
  std::uint32_t row = 0;
};

class Writing {
 public:
  Writing(const std::string& stem, const linalg::Kernels& kernels, const SegmentContent& content,
          const CallContext& call)
      : stem_(stem), kernels_(kernels), content_(content), call_(call) {
    for (std::uint32_t part = 0; part < content.parts.size(); ++part) {
      const auto words = content.parts[part].kept->words();
      for (std::size_t word = 0; word < words.size(); ++word) {
        for (std::uint64_t bits = words[word]; bits != 0; bits &= bits - 1) {
          kept_.push_back(
              {part, static_cast<std::uint32_t>(word * 64 +
                                                static_cast<std::size_t>(std::countr_zero(bits)))});
        }
      }
    }
  }

  absl::Status Write(DescribeDocument describe) {
    RAGMESH_ASSIGN_OR_RETURN(file_, SectionWriter::Create(SegmentPath(stem_)));
    RAGMESH_RETURN_IF_ERROR(content_.dimension > 0 && !kept_.empty() ? WriteVectors()
                                                                     : KeepOrder());
    RAGMESH_RETURN_IF_ERROR(WriteFacts(describe));
    RAGMESH_RETURN_IF_ERROR(WriteTerms());
    // The file whose name makes a segment comes last.
    if (bytes_ != nullptr) RAGMESH_RETURN_IF_ERROR(bytes_->Finish());
    if (vectors_ != nullptr) RAGMESH_RETURN_IF_ERROR(vectors_->Finish());
    if (absl::Status status = file_->Finish(); !status.ok()) {
      if (bytes_ != nullptr) unlink(BytesPath(stem_).c_str());
      if (vectors_ != nullptr) unlink(VectorsPath(stem_).c_str());
      return status;
    }
    return absl::OkStatus();
  }

 private:
  CatalogChunk ChunkOf(const Origin& origin) const {
    return content_.parts[origin.part].source->chunk(origin.row);
  }

  // Without vectors rows follow the numbers of chunks, as they were written.
  absl::Status KeepOrder() {
    rows_ = kept_;
    std::sort(rows_.begin(), rows_.end(), [this](const Origin& a, const Origin& b) {
      return ChunkOf(a).number < ChunkOf(b).number;
    });
    return absl::OkStatus();
  }

  // Rows of one part that follow one another are read together.
  absl::Status ReadVectors(absl::Span<const std::uint32_t> kept, float* out) const {
    std::vector<std::uint32_t> rows;
    for (std::size_t i = 0; i < kept.size();) {
      const std::uint32_t part = kept_[kept[i]].part;
      rows.clear();
      for (; i < kept.size() && kept_[kept[i]].part == part; ++i)
        rows.push_back(kept_[kept[i]].row);
      RAGMESH_RETURN_IF_ERROR(content_.parts[part].source->ReadVectors(rows, out));
      out += rows.size() * content_.dimension;
    }
    return absl::OkStatus();
  }

  // The lists decide the order of rows.
  absl::Status WriteVectors() {
    const auto read = [this](absl::Span<const std::uint32_t> kept, float* out) {
      return ReadVectors(kept, out);
    };
    RAGMESH_ASSIGN_OR_RETURN(
        const auto builder,
        vector_index::ListBuilder::Plan(kernels_, content_.dimension,
                                        static_cast<std::uint32_t>(kept_.size()), 0, read, call_));
    for (const std::uint32_t kept : builder.order()) rows_.push_back(kept_[kept]);
    RAGMESH_ASSIGN_OR_RETURN(bytes_, SectionWriter::Create(BytesPath(stem_)));
    RAGMESH_ASSIGN_OR_RETURN(vectors_, SectionWriter::Create(VectorsPath(stem_)));
    RAGMESH_RETURN_IF_ERROR(bytes_->Begin("bytes"));
    RAGMESH_RETURN_IF_ERROR(vectors_->Begin("vectors"));
    RAGMESH_RETURN_IF_ERROR(file_->Begin("lists"));
    const auto to = [](SectionWriter* file) {
      return [file](absl::string_view bytes) { return file->Append(bytes); };
    };
    return builder.Write(read, content_.queries, to(file_.get()), to(bytes_.get()),
                         to(vectors_.get()), call_);
  }

  absl::Status WriteFacts(DescribeDocument describe) {
    CatalogBuilder catalog;
    ColumnsBuilder columns, labels;
    // Chunks of one document follow one another here, so that each is described once.
    std::vector<std::uint32_t> by_document(rows_.size());
    std::iota(by_document.begin(), by_document.end(), 0u);
    std::vector<std::uint64_t> owners;
    for (const Origin& origin : rows_) {
      const CatalogChunk chunk = ChunkOf(origin);
      catalog.AddChunk(chunk);
      owners.push_back(chunk.document_number);
    }
    std::sort(by_document.begin(), by_document.end(), [&owners](std::uint32_t a, std::uint32_t b) {
      return std::tie(owners[a], a) < std::tie(owners[b], b);
    });
    const stages::StoredDocument* document = nullptr;
    for (std::size_t i = 0; i < by_document.size(); ++i) {
      if (i % kChunksPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call_.Check());
      const std::uint32_t row = by_document[i];
      if (i == 0 || owners[row] != owners[by_document[i - 1]]) {
        RAGMESH_ASSIGN_OR_RETURN(document, describe(owners[row]));
      }
      AddFacts(*document, row, &columns, &labels);
    }
    for (const CatalogDocument& document : content_.documents) catalog.AddDocument(document);
    RAGMESH_RETURN_IF_ERROR(catalog.Write(file_.get()));
    const auto count = static_cast<std::uint32_t>(rows_.size());
    RAGMESH_RETURN_IF_ERROR(file_->Begin("columns"));
    RAGMESH_RETURN_IF_ERROR(file_->Append(columns.Take(count)));
    RAGMESH_RETURN_IF_ERROR(file_->Begin("labels"));
    return file_->Append(labels.Take(count));
  }

  // Reserved fields are there when they are not empty, and hide metadata of the same name, as in
  // vector_store::Matches.
  static void AddFacts(const stages::StoredDocument& document, std::uint32_t row,
                       ColumnsBuilder* columns, ColumnsBuilder* labels) {
    const std::pair<absl::string_view, const std::string*> reserved[] = {
        {"document_id", &document.id},
        {"document_name", &document.name},
        {"media_type", &document.info.media_type},
        {"language", &document.info.language}};
    for (const auto& [field, text] : reserved) {
      if (!text->empty()) columns->Add(field, *text, row);
    }
    for (const auto& [field, value] : document.metadata) {
      const auto is_hidden = [&field](const auto& name) { return name.first == field; };
      if (std::none_of(std::begin(reserved), std::end(reserved), is_hidden))
        columns->Add(field, value, row);
    }
    labels->Add(kLabels, document.acl_labels, row);
  }

  absl::Status WriteTerms() {
    std::vector<std::vector<std::uint32_t>> new_slots;
    for (const SegmentContent::Part& part : content_.parts)
      new_slots.emplace_back(part.source->rows(), lexical::InvertedIndex::kDropped);
    for (std::uint32_t row = 0; row < rows_.size(); ++row)
      new_slots[rows_[row].part][rows_[row].row] = row;
    std::vector<lexical::PostingsSource> sources;
    for (std::size_t part = 0; part < content_.parts.size(); ++part) {
      sources.push_back(content_.parts[part].source->postings());
      sources.back().new_slots = new_slots[part];
    }
    RAGMESH_RETURN_IF_ERROR(file_->Begin("postings"));
    return lexical::WritePostings(sources, {.slots = static_cast<std::uint32_t>(rows_.size())},
                                  [this](absl::string_view bytes) { return file_->Append(bytes); });
  }

  const std::string stem_;
  const linalg::Kernels& kernels_;
  const SegmentContent& content_;
  const CallContext& call_;
  std::vector<Origin> kept_;  // in the order of parts
  std::vector<Origin> rows_;  // in the order of the new segment
  std::unique_ptr<SectionWriter> file_, bytes_, vectors_;
};

}  // namespace

absl::Status WriteSegment(const std::string& stem, const linalg::Kernels& kernels,
                          const SegmentContent& content, DescribeDocument describe,
                          const CallContext& call) {
  return Writing(stem, kernels, content, call).Write(describe);
}

}  // namespace ragmesh::segment
