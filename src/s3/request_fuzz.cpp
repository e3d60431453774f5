// Whole requests of any text through the service over the fake object layer. Requests are separated
// by a NUL byte, so that one input can create what the next one reads.
#include "base/assert.h"
#include "s3/testing/harness.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  cairn::s3::testing::Harness harness({.domains = {"example.com"}});
  (void)harness.send("PUT /bucket\nAuthorization: root\n\n");
  (void)harness.send("PUT /bucket/key\nAuthorization: root\nx-amz-meta-a: 1\n\nhello");
  for (int i = 0; i < 8 && !rest.empty(); ++i) {
    const auto end = rest.find('\0');
    auto response = harness.send(rest.substr(0, end));
    CAIRN_ASSERT(response.status >= 200 && response.status < 600);
    for (const auto& [name, value] : response.headers.fields()) {
      CAIRN_ASSERT(name.find_first_of("\r\n") == std::string::npos);
      CAIRN_ASSERT(value.find_first_of("\r\n") == std::string::npos);
    }
    (void)harness.render(std::move(response));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return 0;
}
