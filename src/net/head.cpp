// Beast splits heads into fields; what Beast is lenient about, or answers with the wrong status, is
// decided here.
#include "net/head.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <limits>

#include "net/ascii.h"

namespace cairn::net {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

std::string_view view(BeastView s) {
  return {s.data(), s.size()};
}

// The fields that decide how a message is framed, as they pass by.
class FramingFields {
 public:
  void see(http::field name, std::string_view value) {
    switch (name) {
      case http::field::host:
        ++hosts_;
        host_ = value;
        break;
      case http::field::content_length:
        ++lengths_;
        length_ = value;
        break;
      case http::field::transfer_encoding:
        ++codings_;
        coding_ = value;
        break;
      case http::field::connection:
        for_each_element(value, [this](std::string_view token) {
          if (iequals(token, "close")) close_ = true;
          if (iequals(token, "keep-alive")) keep_alive_ = true;
        });
        break;
      case http::field::expect:
        // Other expectations are passed over, as S3 does (RFC 9110 10.1.1 lets a server choose).
        for_each_element(value, [this](std::string_view token) {
          if (iequals(token, "100-continue")) expect_continue_ = true;
        });
        break;
      default:
        break;
    }
  }

  // 0 or the refusing status. Whatever two readers could understand differently is refused: that is
  // how requests are smuggled past a proxy.
  int body(bool http11, Framing& framing) const {
    if (lengths_ > 1 || (lengths_ == 1 && codings_ > 0)) return 400;
    if (lengths_ == 1) {
      framing.content_length = parse_length();
      if (!framing.content_length) return 400;
    }
    if (codings_ == 0) return 0;
    if (!http11 || codings_ > 1) return 400;
    if (!iequals(coding_, "chunked")) return coding_.empty() ? 400 : 501;
    framing.chunked = true;
    return 0;
  }
  bool keeps_alive(bool http11) const { return !close_ && (http11 || keep_alive_); }
  std::size_t hosts() const { return hosts_; }
  std::string_view host() const { return host_; }
  bool expect_continue() const { return expect_continue_; }

 private:
  std::optional<std::uint64_t> parse_length() const {
    if (length_.empty() || length_.size() > 19) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : length_) {
      if (!is_digit(c)) return std::nullopt;
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return std::nullopt;
    return value;
  }

  std::size_t hosts_ = 0, lengths_ = 0, codings_ = 0;
  std::string_view host_{}, length_{}, coding_{};
  bool close_ = false, keep_alive_ = false, expect_continue_ = false;
};

// Beast's parser for heads only: its message containers allocate a node for every field, ours are
// filled directly.
template <bool is_request>
class HeadParser final : public http::basic_parser<is_request> {
 public:
  HeadParser(Headers& headers, Request* request) : headers_(headers), request_(request) {
    this->header_limit(std::numeric_limits<std::uint32_t>::max());  // limited by HeadScanner
    this->body_limit(boost::none);
    this->eager(false);
  }
  const FramingFields& fields() const { return fields_; }
  bool http11() const { return version_ >= 11; }
  int status() const { return status_; }
  // Feeds a whole head.
  error_code parse(std::string_view head) {
    error_code error;
    const std::size_t used = this->put(boost::asio::const_buffer(head.data(), head.size()), error);
    if (!error && (!this->is_header_done() || used != head.size())) error = http::error::bad_field;
    return error;
  }

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int version,
                       error_code&) override {
    request_->method.assign(view(method));
    request_->target.assign(view(target));
    version_ = version;
  }
  void on_response_impl(int status, BeastView, int version, error_code&) override {
    status_ = status;
    version_ = version;
  }
  void on_field_impl(http::field field, BeastView name, BeastView value, error_code&) override {
    headers_.add(std::string(view(name)), std::string(view(value)));
    fields_.see(field, view(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(BeastView, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  Headers& headers_;
  Request* request_;
  FramingFields fields_;
  int version_ = 11;
  int status_ = 0;
};

// "HTTP/2.0": well formed, but not ours to speak.
bool has_well_formed_version(std::string_view head) {
  const auto line = head.substr(0, head.find('\r'));
  if (line.size() < 9 || std::count(line.begin(), line.end(), ' ') != 2) return false;
  const auto version = line.substr(line.size() - 9);
  return version.starts_with(" HTTP/") && is_digit(version[6]) && version[7] == '.' &&
         is_digit(version[8]);
}

int status_of(const error_code& error, std::string_view head) {
  if (error == http::error::bad_version) return has_well_formed_version(head) ? 505 : 400;
  return 400;
}

bool valid_authority(std::string_view host) {
  for (const char c : host)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || std::strchr("/?#@\\,", c) != nullptr)
      return false;
  return true;
}

void split_target(std::string_view rest, Request& request) {
  const auto question = rest.find('?');
  request.path.assign(rest.substr(0, question));
  if (question == std::string_view::npos)
    request.query.clear();
  else
    request.query.assign(rest.substr(question + 1));
}

// origin-form, absolute-form (whose authority replaces Host, RFC 9112 3.2.2), or "*" of OPTIONS.
int understand_target(Request& request) {
  const std::string_view target = request.target;
  if (target.starts_with('/')) {
    split_target(target, request);
    return 0;
  }
  if (target == "*" && request.method == "OPTIONS") {
    split_target(target, request);
    return 0;
  }
  const auto scheme = target.find("://");
  if (scheme == std::string_view::npos) return 400;
  if (!iequals(target.substr(0, scheme), "http") && !iequals(target.substr(0, scheme), "https"))
    return 400;
  const auto rest = target.substr(scheme + 3);
  const auto slash = rest.find_first_of("/?");
  const auto authority = rest.substr(0, slash);
  if (authority.empty() || !valid_authority(authority)) return 400;
  request.headers.set("Host", std::string(authority));
  if (slash == std::string_view::npos) {
    request.path = "/";
    request.query.clear();
  } else {
    split_target(rest.substr(slash), request);
    if (request.path.empty()) request.path = "/";
  }
  return 0;
}

}  // namespace

HeadScanner::Step HeadScanner::refuse(int status) {
  status_ = status;
  return Step::bad;
}

// The order of the checks makes the verdict the same however the bytes arrive.
HeadScanner::Step HeadScanner::scan(std::string_view input) {
  if (status_ != 0) return Step::bad;
  for (;;) {
    // What begins like no method (a TLS hello, say) is not waited for.
    if (fields_begin_ == 0 && line_ < input.size() && input[line_] != '\r' &&
        !is_token_char(input[line_]))
      return refuse(400);
    const void* found = seen_ < input.size()
                            ? std::memchr(input.data() + seen_, '\n', input.size() - seen_)
                            : nullptr;
    seen_ = found ? static_cast<std::size_t>(static_cast<const char*>(found) - input.data())
                  : input.size();
    if (const Step step = unfinished(seen_); step != Step::need_more || !found) return step;
    const std::size_t lf = seen_;
    if (lf == line_ || input[lf - 1] != '\r') return refuse(400);
    const auto line = input.substr(line_, lf - 1 - line_);
    seen_ = line_ = lf + 1;
    const Step step = line_ended(line);
    if (step != Step::need_more) return step;
  }
}

// need_more: the head goes on after this line.
HeadScanner::Step HeadScanner::line_ended(std::string_view line) {
  if (fields_begin_ == 0) {
    if (line.empty()) {
      begin_ = line_;
      return begin_ > 8 ? refuse(400) : Step::need_more;
    }
    if (line.size() > limits_.max_first_line) return refuse(414);
    fields_begin_ = line_;
    return Step::need_more;
  }
  if (line_ - fields_begin_ > limits_.max_bytes) return refuse(431);
  if (line.empty()) return Step::complete;
  if (line.front() == ' ' || line.front() == '\t') return refuse(400);
  return ++fields_ > limits_.max_fields ? refuse(431) : Step::need_more;
}

HeadScanner::Step HeadScanner::unfinished(std::size_t size) {
  if (fields_begin_ == 0)
    return size - line_ > limits_.max_first_line + 1 ? refuse(414) : Step::need_more;
  return size - fields_begin_ > limits_.max_bytes ? refuse(431) : Step::need_more;
}

int parse_request_head(std::string_view head, std::size_t max_target_bytes, Request& request,
                       Framing& framing) {
  HeadParser<true> parser(request.headers, &request);
  if (const error_code error = parser.parse(head)) return status_of(error, head);
  if (request.target.size() > max_target_bytes) return 414;

  framing = Framing{};
  framing.http11 = parser.http11();
  const FramingFields& fields = parser.fields();
  framing.keep_alive = fields.keeps_alive(framing.http11);
  if (const int status = fields.body(framing.http11, framing)) return status;
  if (fields.hosts() > 1 || (fields.hosts() == 0 && framing.http11) ||
      !valid_authority(fields.host()))
    return 400;
  if (const int status = understand_target(request)) return status;

  request.content_length = framing.content_length;
  request.has_body = framing.chunked || framing.content_length.value_or(0) > 0;
  framing.expect_continue = framing.http11 && fields.expect_continue() &&
                            (framing.chunked || framing.content_length.has_value());
  return 0;
}

bool parse_response_head(std::string_view head, int& status, Headers& headers, Framing& framing) {
  HeadParser<false> parser(headers, nullptr);
  parser.skip(true);  // the caller reads the body
  if (parser.parse(head)) return false;
  framing = Framing{};
  framing.http11 = parser.http11();
  status = parser.status();
  framing.keep_alive = parser.fields().keeps_alive(framing.http11);
  return parser.fields().body(framing.http11, framing) == 0;
}

}  // namespace cairn::net
