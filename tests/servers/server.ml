(* A server by OCaml's Unix.establish_server's parts, in one process. Requests end with an empty line; GET /big is 8 MiB. *)
let big = Bytes.make (8 lsl 20) 'b'

let rec write_all fd bytes from =
  if from < Bytes.length bytes then
    write_all fd bytes (from + Unix.single_write fd bytes from (Bytes.length bytes - from))

let answer fd =
  let input = Unix.in_channel_of_descr fd in
  let first = input_line input in
  while input_line input <> "\r" do () done;
  let body = if String.length first > 8 && String.sub first 0 8 = "GET /big" then big else Bytes.of_string "small" in
  let head = Printf.sprintf "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" (Bytes.length body) in
  write_all fd (Bytes.of_string head) 0;
  write_all fd body 0

let () =
  Sys.set_signal Sys.sigterm (Sys.Signal_handle (fun _ -> exit 0));
  let socket = Unix.socket ~cloexec:true Unix.PF_INET Unix.SOCK_STREAM 0 in
  Unix.bind socket (Unix.ADDR_INET (Unix.inet_addr_loopback, 0));
  Unix.listen socket 128;
  (match Unix.getsockname socket with
   | Unix.ADDR_INET (_, port) -> Printf.printf "listening on %d\n%!" port
   | Unix.ADDR_UNIX _ -> ());
  while true do
    let fd, _ = Unix.accept ~cloexec:true socket in
    (try answer fd with Unix.Unix_error _ | End_of_file | Sys_error _ -> ());
    Unix.close fd
  done
