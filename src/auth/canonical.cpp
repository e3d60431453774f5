#include "auth/canonical.h"

#include <algorithm>
#include <array>

namespace cairn::auth {
namespace {

constexpr char kUpperHex[] = "0123456789ABCDEF";

constexpr auto kUnreserved = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (const char c : {'-', '.', '_', '~'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The character at `i`, decoded; moves `i` behind it.
unsigned char decode_at(std::string_view text, std::size_t& i, UriPart part) {
  const char c = text[i++];
  if (c == '+' && part == UriPart::query) return ' ';
  if (c != '%' || i + 1 >= text.size()) return static_cast<unsigned char>(c);
  const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
  if (high < 0 || low < 0) return static_cast<unsigned char>(c);
  i += 2;
  return static_cast<unsigned char>(high << 4 | low);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
bool is_space(char c) {
  return c == ' ' || c == '\t';
}

struct Parameter {
  std::size_t name_at, name_size, value_at, value_size;  // in the scratch text
};

}  // namespace

void append_normalised(std::string& out, std::string_view text, UriPart part) {
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char c = decode_at(text, i, part);
    if (kUnreserved[c] || (c == '/' && part == UriPart::path)) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kUpperHex[c >> 4];
      out += kUpperHex[c & 15];
    }
  }
}

std::string decode_query(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();)
    out += static_cast<char>(decode_at(text, i, UriPart::query));
  return out;
}

void append_canonical_query(std::string& out, std::string_view query) {
  if (query.empty()) return;
  static thread_local std::string text;
  static thread_local std::vector<Parameter> parameters;
  text.clear();
  parameters.clear();
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    Parameter p{.name_at = text.size()};
    append_normalised(text, pair.substr(0, equals), UriPart::query);
    p.name_size = text.size() - p.name_at;
    p.value_at = text.size();
    if (equals != std::string_view::npos)
      append_normalised(text, pair.substr(equals + 1), UriPart::query);
    p.value_size = text.size() - p.value_at;
    if (std::string_view(text).substr(p.name_at, p.name_size) != "X-Amz-Signature")
      parameters.push_back(p);
  }
  const std::string_view all = text;
  const auto name = [&](const Parameter& p) { return all.substr(p.name_at, p.name_size); };
  const auto value = [&](const Parameter& p) { return all.substr(p.value_at, p.value_size); };
  std::sort(parameters.begin(), parameters.end(), [&](const Parameter& a, const Parameter& b) {
    const int order = name(a).compare(name(b));
    return order != 0 ? order < 0 : value(a) < value(b);
  });
  bool first = true;
  for (const Parameter& p : parameters) {
    if (!first) out += '&';
    first = false;
    out += name(p);
    out += '=';
    out += value(p);
  }
}

void append_folded(std::string& out, std::string_view value) {
  while (!value.empty() && is_space(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_space(value.back())) value.remove_suffix(1);
  bool in_space = false;
  for (const char c : value) {
    if (is_space(c)) {
      if (!in_space) out += ' ';
      in_space = true;
    } else {
      out += c;
      in_space = false;
    }
  }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

void append_canonical_header(std::string& out, const HttpView& request, std::string_view name) {
  out += name;
  out += ':';
  bool first = true;
  for (const auto& [field, value] : *request.headers) {
    if (!equal_ignoring_case(field, name)) continue;
    if (!first) out += ',';
    first = false;
    append_folded(out, value);
  }
  out += '\n';
}

void append_canonical_request(std::string& out, const CanonicalParts& parts) {
  out += parts.request.method;
  out += '\n';
  if (parts.request.path.empty()) out += '/';
  append_normalised(out, parts.request.path, UriPart::path);
  out += '\n';
  append_canonical_query(out, parts.request.query);
  out += '\n';
  for (const auto name : parts.signed_names) append_canonical_header(out, parts.request, name);
  out += '\n';
  out += parts.signed_headers;
  out += '\n';
  out += parts.payload_hash;
}

void append_string_to_sign(std::string& out, std::string_view date_time, std::string_view scope,
                           std::string_view canonical_request) {
  out += "AWS4-HMAC-SHA256\n";
  out += date_time;
  out += '\n';
  out += scope;
  out += '\n';
  const auto digest = crypto::sha256(as_bytes(canonical_request));
  out += crypto::to_hex(std::as_bytes(std::span(digest)));
}

}  // namespace cairn::auth
