# Ruby's WEBrick with SIGPIPE as a shell gives it. GET /small and /big (8 MiB).
require "webrick"

trap("PIPE", "SYSTEM_DEFAULT")
server = WEBrick::HTTPServer.new(
  BindAddress: "127.0.0.1", Port: 0, AccessLog: [], Logger: WEBrick::Log.new(File::NULL),
  StartCallback: -> { puts "listening on #{server.listeners[0].addr[1]}"; $stdout.flush }
)
{ "/small" => "small", "/big" => "b" * (8 << 20) }.each do |path, body|
  server.mount_proc(path) { |_, response| response.body = body }
end
trap("TERM") { server.shutdown }
server.start
