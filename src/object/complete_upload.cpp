// CompleteMultipartUpload: one record that names the parts' blobs; no byte of data moves. The value
// id derives from the upload id, so completing again is the same success (protocol.md 9.3).
#include <algorithm>

#include "object/conditions.h"
#include "object/engine.h"

namespace cairn::object {
namespace {

constexpr int kTries = 3;

// What completing needs of one part: as the client named it, and as it is stored.
struct Chosen {
  const CompletePart* asked = nullptr;
  const model::Record* record = nullptr;
  const ObjectChecksum* checksum = nullptr;
};

Result<void> check_request(const CompleteRequest& request) {
  if (request.parts.empty() || request.parts.size() > kMaxParts) {
    return Error{Code::malformed_xml,
                 "The XML you provided was not well-formed or did not validate against our "
                 "published schema"};
  }
  for (std::size_t i = 1; i < request.parts.size(); ++i) {
    if (request.parts[i].number <= request.parts[i - 1].number) {
      return Error{
          Code::invalid_part_order,
          "The list of parts was not in ascending order. Parts must be ordered by part number."};
    }
  }
  return {};
}

Error invalid_part(const CompleteRequest& request, const CompletePart& part) {
  return {Code::invalid_part,
          "One or more of the specified parts could not be found. The part may not have been "
          "uploaded, or the specified "
          "entity tag may not match the part's entity tag.",
          {{"UploadId", request.upload.hex()},
           {"PartNumber", std::to_string(part.number)},
           {"ETag", part.etag}}};
}

std::string lower_name(crypto::Checksum algorithm) {
  std::string name(crypto::checksum_name(algorithm));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

// The part is there and is the one the client means.
Result<void> check_part(const CompleteRequest& request, const Meta& upload, const Chosen& part) {
  if (!part.record || part.record->etag != part.asked->etag)
    return invalid_part(request, *part.asked);
  if (!part.checksum) return Error{Code::corrupt, "a part without its checksum"};
  const bool composite = upload.upload_algorithm && upload.upload_type == ChecksumType::composite;
  if (!part.asked->checksum) {
    if (!composite) return {};
    const std::string name = lower_name(*upload.upload_algorithm);
    return Error{Code::invalid_request, "The upload was created using a " + name +
                                            " checksum. The complete request must include the "
                                            "checksum for each part. It was missing for part " +
                                            std::to_string(part.asked->number) +
                                            " in the request."};
  }
  if (part.asked->checksum->first != part.checksum->algorithm) {
    // Verified when the part came, but not kept: the upload was not created with this algorithm.
    if (!upload.upload_algorithm) return {};
    return Error{Code::bad_digest,
                 "The " + lower_name(part.asked->checksum->first) + " you specified for part " +
                     std::to_string(part.asked->number) + " did not match what we received."};
  }
  if (part.asked->checksum->second != part.checksum->value)
    return invalid_part(request, *part.asked);
  return {};
}

Result<std::uint64_t> check_sizes(const CompleteRequest& request, const std::vector<Chosen>& parts,
                                  std::uint64_t min_part_bytes) {
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::uint64_t part = parts[i].record->size;
    if (i + 1 < parts.size() && part < min_part_bytes) {
      return Error{Code::entity_too_small,
                   "Your proposed upload is smaller than the minimum allowed size",
                   {{"ProposedSize", std::to_string(part)},
                    {"MinSizeAllowed", std::to_string(min_part_bytes)},
                    {"PartNumber", std::to_string(parts[i].asked->number)},
                    {"ETag", parts[i].asked->etag}}};
    }
    size += part;  // 10,000 parts of 5 GiB do not overflow
  }
  if (size > kMaxObjectBytes) return entity_too_large(size, kMaxObjectBytes);
  if (request.object_size && *request.object_size != size) {
    return Error{Code::invalid_request,
                 "The provided 'x-amz-mp-object-size' header value " +
                     std::to_string(*request.object_size) +
                     " does not match what was computed: " + std::to_string(size)};
  }
  return size;
}

Result<void> check_whole(const CompleteRequest& request, const Meta& upload,
                         const ObjectChecksum& checksum) {
  if (request.checksum_type && *request.checksum_type != checksum.type) {
    const bool full = checksum.type == ChecksumType::full_object;
    return Error{Code::bad_digest,
                 std::string("The upload was created using the ") +
                     (full ? "FULL_OBJECT" : "COMPOSITE") +
                     " checksum mode. The complete request must use the same checksum mode."};
  }
  if (!request.checksum) return {};
  if (request.checksum->first != checksum.algorithm) {
    return Error{Code::invalid_request,
                 "Checksum Type mismatch occurred, expected checksum Type: " +
                     (upload.upload_algorithm ? lower_name(checksum.algorithm) : "null") +
                     ", actual checksum Type: " + lower_name(request.checksum->first)};
  }
  if (request.checksum->second != checksum.value) return checksum_mismatch(checksum.algorithm);
  return {};
}

Result<std::string> raw_md5(const std::string& etag) {
  auto raw = crypto::from_hex(etag);
  if (!raw || raw->size() != 16) return Error{Code::corrupt, "the ETag of a part is no MD5"};
  return std::move(*raw);
}

Result<std::vector<PartDigest>> digests_of(const std::vector<Chosen>& parts) {
  std::vector<PartDigest> out;
  out.reserve(parts.size());
  for (const Chosen& part : parts) {
    CAIRN_ASSIGN(std::string md5, raw_md5(part.record->etag));
    out.push_back({std::move(md5), part.checksum->value, part.record->size});
  }
  return out;
}

std::vector<model::DataPart> table_of(const std::vector<Chosen>& parts) {
  std::vector<model::DataPart> table;
  table.reserve(parts.size());
  for (const Chosen& part : parts) {
    model::DataPart data = part.record->data;  // without bytes: no data id, no blob
    data.size = part.record->size;
    data.part_number = part.asked->number;
    data.etag = part.record->etag;
    data.checksum = part.checksum->value;
    table.push_back(std::move(data));
  }
  return table;
}

}  // namespace

io::Task<Result<std::optional<PutResult>>> Engine::find_completed(BucketView view,
                                                                  model::UnitKey unit,
                                                                  UploadId upload) {
  const model::ValueId value = model::value_id_of_upload(upload);
  store::ScanRequest request;
  request.begin = unit.encoded();
  request.end = unit.encoded() + '\0';
  request.max_units = 1;
  request.all_rows = true;
  request.include_delete_markers = true;
  for (;;) {
    CAIRN_CO_ASSIGN(store::ScanPage page, co_await store_.scan(request));
    for (const store::ScanUnit& found : page.units) {
      for (const auto row : found.rows()) {
        CAIRN_CO_ASSIGN(const model::Record record, model::decode_record(row.record));
        if (record.data_kind != model::Record::DataKind::parts || record.data.data_id != value)
          continue;
        CAIRN_CO_ASSIGN(Meta meta, decode_meta(record.meta));
        PutResult result{record.etag, record.version, view.shows(record.version), record.size,
                         std::move(meta.checksum)};
        co_return std::optional<PutResult>(std::move(result));
      }
    }
    if (page.exhausted) co_return std::optional<PutResult>{};
    request.begin = std::move(page.resume);
  }
}

io::Task<Result<PutResult>> Engine::try_complete(CompleteRequest& request, BucketView view,
                                                 const Upload& upload) {
  // 1. The parts as they are stored.
  CAIRN_CO_ASSIGN(const auto stored,
                  co_await stored_parts(view.id, request.key.text(), request.upload,
                                        request.parts.front().number, kMaxParts));
  std::vector<Chosen> parts;
  parts.reserve(request.parts.size());
  auto next = stored.begin();
  for (const CompletePart& asked : request.parts) {
    while (next != stored.end() && next->number < asked.number) ++next;
    Chosen part{&asked};
    if (next != stored.end() && next->number == asked.number) {
      part.record = &next->record;
      const auto& checksum = next->checksum;
      if (checksum) part.checksum = &*checksum;
    }
    CAIRN_CO_TRY(check_part(request, upload.meta, part));
    parts.push_back(part);
  }

  // 2. What they make together.
  store::PutVersion put;
  CAIRN_CO_ASSIGN(put.record.size, check_sizes(request, parts, options_.min_part_bytes));
  CAIRN_CO_ASSIGN(const auto digests, digests_of(parts));
  const ObjectChecksum checksum{upload.algorithm(), upload.type(),
                                multipart_checksum(upload.algorithm(), upload.type(), digests)};
  CAIRN_CO_TRY(check_whole(request, upload.meta, checksum));

  // 3. One record over all of them. It stands only if the upload does, and takes it away.
  const model::ValueId value = model::value_id_of_upload(request.upload);
  put.record.etag = multipart_etag(digests);
  put.record.storage_class = upload.found.record.storage_class;
  put.record.data_kind = model::Record::DataKind::parts;
  put.record.data.data_id = value;
  put.record.data.size = put.record.size;
  put.record.part_count = static_cast<std::uint32_t>(parts.size());
  put.parts = table_of(parts);
  Meta meta = upload.meta;
  meta.checksum = checksum;
  meta.upload_algorithm.reset();
  put.record.meta = encode_meta(meta);
  PutResult result{put.record.etag, {}, false, put.record.size, checksum};

  CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(request.bucket, view.id));
  store::Commit intent{model::UnitKey::object(view.id, request.key.text()), value, std::move(put)};
  intent.guards.push_back({model::UnitKey::upload(view.id, request.key.text(), request.upload),
                           upload.found.stamp, true});
  CAIRN_CO_ASSIGN(const store::Committed done,
                  co_await commit(entered, std::move(intent), request.conditions));
  result.version = done.version;
  result.show_version = entered.view.shows(result.version);
  co_return result;
}

io::Task<Result<PutResult>> Engine::complete_upload(CompleteRequest request) {
  CAIRN_CO_TRY(check_request(request));
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  const model::UnitKey unit = model::UnitKey::object(view.id, request.key.text());
  for (int attempt = 0; attempt < kTries; ++attempt) {
    auto upload = co_await find_upload(view.id, request.key, request.upload);
    if (!upload) {
      if (upload.code() != Code::no_such_upload) co_return upload.error();
      // Completed before, by a request whose answer may have been lost: the same success again.
      CAIRN_CO_ASSIGN(auto before, co_await find_completed(view, unit, request.upload));
      if (!before) co_return upload.error();
      remove_parts(view.id, request.key.text(), request.upload);
      co_return std::move(*before);
    }
    CAIRN_CO_TRY(co_await advise(unit, request.conditions));
    auto result = co_await try_complete(request, view, *upload);
    if (result) {
      remove_parts(view.id, request.key.text(), request.upload);
      co_return result;
    }
    // The upload went between looking and committing: aborted, or completed by another request.
    if (result.code() != Code::conflict) co_return result.error();
  }
  co_return bucket_busy();
}

}  // namespace cairn::object
