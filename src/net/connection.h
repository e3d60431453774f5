// One client connection of the server: request after request until either side ends it. Private to
// net.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "net/head.h"
#include "net/request_body.h"
#include "net/response_writer.h"
#include "net/shard.h"

namespace cairn::net {

class Connection {
 public:
  Connection(std::shared_ptr<Shard> shard, std::unique_ptr<Socket> socket, std::string peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves to the end. Runs on the shard's reactor; the task owns the connection.
  static io::Task<void> serve(std::unique_ptr<Connection> connection);

  // From the shard, every tick: ends waits that are late, frees the memory of the idle.
  void tick();
  // The server drains: an idle connection is closed, any other after the response to its request.
  void drain();
  // Ends every wait at once; a handler in progress is left to end by itself.
  void cut() { transport_.interrupt(Transport::Interrupt::cut); }

 private:
  enum class Next { request, refused, closed };

  io::Task<void> run();
  // Reads and parses the next head. refused: `status_` says why.
  io::Task<Next> next_head();
  io::Task<Moved> read_head_bytes();
  Next parse();
  Next head_failed(const Moved& moved);
  // Calls the handler and sends its response. True: the connection goes on.
  io::Task<bool> exchange();
  io::Task<bool> send(Response response);
  // Answers a head that cannot be served.
  io::Task<void> refuse();
  // Closes so that a client that is still sending sees our response rather than a reset.
  io::Task<void> linger();
  std::shared_ptr<Shard> shard_;
  Transport transport_;
  RequestBody body_;
  ResponseWriter writer_;
  HeadScanner scanner_;
  Framing framing_{};
  Request request_{};
  std::string peer_;
  std::list<Connection*>::iterator place_;
  Transport::Tick wait_began_ = 0;  // for the head that is awaited
  int status_ = 0;
  bool fresh_ = true;    // nothing has arrived yet
  bool idle_ = false;    // waits for the first byte of a head
  bool parked_ = false;  // does so without memory
};

}  // namespace cairn::net
