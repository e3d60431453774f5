// Boost.JSON is used without its shared library: its definitions are compiled here, once for the
// module.
#include <boost/json/src.hpp>
