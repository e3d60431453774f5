#include "drive/format_file.h"

#include <boost/json.hpp>

#include "crypto/digest.h"

namespace cairn::drive {
namespace {

namespace json = boost::json;

Error corrupt(std::string what) {
  return Error{Code::corrupt, "format.json: " + std::move(what)};
}

std::string hex64(std::uint64_t v) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = 0; i < 16; ++i) out[15 - i] = digits[v >> (4 * i) & 15];
  return out;
}

// Over the values and not the text, so that an editor that changes spaces does no harm.
std::string checksum_of(const Format& f) {
  std::string all;
  for (const std::string& part : {std::to_string(f.layout_version), f.drive.hex(), f.cluster.hex(),
                                  std::to_string(f.generation), std::to_string(f.slot),
                                  std::to_string(f.drives), f.profile.text(), f.created}) {
    all += part;
    all += '\n';
  }
  return hex64(crypto::xxh3_64(as_bytes(all)));
}

std::optional<std::string> text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

std::optional<std::uint64_t> number_of(const json::object& object, std::string_view name,
                                       std::uint64_t most) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<std::uint64_t>(error);
  if (error || number > most) return std::nullopt;
  return number;
}

}  // namespace

std::string encode_format(const Format& f) {
  std::string out = "{\n";
  const auto line = [&](std::string_view name, const std::string& value, bool text,
                        bool last = false) {
    out += "  \"" + std::string(name) + "\": ";
    out += text ? json::serialize(json::string(value)) : value;
    out += last ? "\n" : ",\n";
  };
  line("layout_version", std::to_string(f.layout_version), false);
  line("drive", f.drive.hex(), true);
  line("cluster", f.cluster.hex(), true);
  line("generation", std::to_string(f.generation), false);
  line("slot", std::to_string(f.slot), false);
  line("drives", std::to_string(f.drives), false);
  line("profile", f.profile.text(), true);
  line("created", f.created, true);
  line("checksum", checksum_of(f), true, true);
  return out + "}\n";
}

Result<Format> decode_format(std::string_view text) {
  boost::system::error_code error;
  const auto value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) return corrupt("it is no JSON object");
  const auto& object = value.get_object();
  Format f;
  const auto version = number_of(object, "layout_version", UINT32_MAX);
  if (!version) return corrupt("it has no layout_version");
  if (*version < 1 || *version > kLayoutVersion)
    return corrupt("layout version " + std::to_string(*version) +
                   " is not known to this version of Cairn");
  const auto drive = text_of(object, "drive"), cluster = text_of(object, "cluster"),
             profile = text_of(object, "profile"), created = text_of(object, "created"),
             checksum = text_of(object, "checksum");
  const auto generation = number_of(object, "generation", UINT64_MAX);
  const auto slot = number_of(object, "slot", UINT32_MAX),
             drives = number_of(object, "drives", UINT32_MAX);
  if (!drive || !cluster || !profile || !created || !checksum || !generation || !slot || !drives)
    return corrupt("a field is missing or of the wrong kind");
  const auto drive_id = model::DriveId::from_hex(*drive);
  const auto cluster_id = model::ClusterId::from_hex(*cluster);
  auto parsed_profile = model::ErasureProfile::parse(*profile);
  if (!drive_id || !cluster_id || !parsed_profile)
    return corrupt("an id or the profile cannot be read");
  f.layout_version = static_cast<std::uint32_t>(*version);
  f.drive = *drive_id;
  f.cluster = *cluster_id;
  f.generation = *generation;
  f.slot = static_cast<std::uint32_t>(*slot);
  f.drives = static_cast<std::uint32_t>(*drives);
  f.profile = *parsed_profile;
  f.created = *created;
  if (checksum_of(f) != *checksum)
    return corrupt("its checksum does not match: it was damaged or edited");
  return f;
}

}  // namespace cairn::drive
