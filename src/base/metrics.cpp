#include "base/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <mutex>
#include <variant>

#include "base/assert.h"

namespace cairn::metrics {
namespace {

bool valid_name(std::string_view name, bool colon) {
  if (name.empty()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9' && i > 0;
    if (!letter && !digit && !(colon && c == ':')) return false;
  }
  return true;
}

// HELP escapes backslash and line feed; a label value the quote as well.
void append_escaped(std::string& out, std::string_view s, bool label) {
  for (const char c : s) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && label) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void append_number(std::string& out, double v) {
  if (std::isnan(v)) {
    out += "NaN";
  } else if (std::isinf(v)) {
    out += v > 0 ? "+Inf" : "-Inf";
  } else {
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, v).ptr;
    out.append(text, end);
  }
}

void append_number(std::string& out, std::uint64_t v) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, v).ptr;
  out.append(text, end);
}

// `a="x",b="y"`, without braces.
std::string label_text(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    append_escaped(out, value, true);
    out += '"';
  }
  return out;
}

template <class V>
void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   std::string_view labels, std::string_view extra, V value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !extra.empty()) {
    out += '{';
    out += labels;
    if (!labels.empty() && !extra.empty()) out += ',';
    out += extra;
    out += '}';
  }
  out += ' ';
  append_number(out, value);
  out += '\n';
}

// The count is the sum of the buckets read here, so that a page never contradicts itself while
// others observe.
void append_histogram(std::string& out, std::string_view name, std::string_view labels,
                      const Histogram& histogram) {
  const auto& bounds = histogram.bounds();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    cumulative += histogram.bucket(i);
    std::string le = "le=\"";
    if (i < bounds.size()) {
      append_number(le, bounds[i]);
    } else {
      le += "+Inf";
    }
    le += '"';
    append_sample(out, name, "_bucket", labels, le, cumulative);
  }
  append_sample(out, name, "_sum", labels, "", histogram.sum());
  append_sample(out, name, "_count", labels, "", cumulative);
}

}  // namespace

Histogram::Histogram(std::vector<double> upper_bounds)
    : bounds_(std::move(upper_bounds)),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {
  CAIRN_ASSERT(std::is_sorted(bounds_.begin(), bounds_.end(), std::less_equal<>{}));
}

void Histogram::observe(double v) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), v);
  const auto i = static_cast<std::size_t>(at - bounds_.begin());
  counts_[i].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(v, std::memory_order_relaxed);
}

std::vector<double> latency_bounds() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
          0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
}

struct Registry::Impl {
  using Metric =
      std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;
  struct Family {
    std::string help;
    std::map<std::string, Metric> children;  // by label text
  };
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;

  template <class M, class Make>
  M& get(std::string_view name, std::string_view help, Labels labels, Make make) {
    CAIRN_ASSERT(valid_name(name, true));
    for (const auto& label : labels) CAIRN_ASSERT(valid_name(label.first, false));
    std::sort(labels.begin(), labels.end());
    std::lock_guard lock(mutex);
    auto found = families.find(name);
    if (found == families.end())
      found = families.emplace(std::string(name), Family{std::string(help), {}}).first;
    auto& children = found->second.children;
    // One name has one type.
    CAIRN_ASSERT(children.empty() ||
                 std::holds_alternative<std::unique_ptr<M>>(children.begin()->second));
    auto& slot = children[label_text(labels)];
    if (auto* existing = std::get_if<std::unique_ptr<M>>(&slot); existing && *existing)
      return **existing;
    slot = make();
    return *std::get<std::unique_ptr<M>>(slot);
  }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  return impl_->get<Counter>(name, help, std::move(labels),
                             [] { return std::make_unique<Counter>(); });
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  return impl_->get<Gauge>(name, help, std::move(labels), [] { return std::make_unique<Gauge>(); });
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::vector<double> bounds, Labels labels) {
  return impl_->get<Histogram>(name, help, std::move(labels),
                               [&] { return std::make_unique<Histogram>(std::move(bounds)); });
}

std::string Registry::render() const {
  static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  std::string out;
  std::lock_guard lock(impl_->mutex);
  for (const auto& [name, family] : impl_->families) {
    out += "# HELP " + name + ' ';
    append_escaped(out, family.help, false);
    out += "\n# TYPE " + name + ' ';
    out += kTypes[family.children.begin()->second.index()];
    out += '\n';
    for (const auto& [labels, metric] : family.children) {
      if (const auto* counter = std::get_if<0>(&metric)) {
        append_sample(out, name, "", labels, "", (*counter)->value());
      } else if (const auto* gauge = std::get_if<1>(&metric)) {
        append_sample(out, name, "", labels, "", (*gauge)->value());
      } else {
        append_histogram(out, name, labels, *std::get<2>(metric));
      }
    }
  }
  return out;
}

}  // namespace cairn::metrics
