// gRPC C++'s synchronous server. The service gives back what it is given; "throw" makes it start work in a thread whose
// exception nobody catches, as gRPC does in its handlers.
//
// sources: echo.proto
// generate: protoc -I "$1" --cpp_out=. --grpc_out=. --plugin=protoc-gen-grpc="$(which grpc_cpp_plugin)" echo.proto
// with: echo.pb.cc echo.grpc.pb.cc
// packages: grpc++ protobuf
#include "echo.grpc.pb.h"
#include <csignal>
#include <cstdio>
#include <grpcpp/grpcpp.h>
#include <pthread.h>
#include <stdexcept>
#include <thread>

static void work() { throw std::runtime_error("work went wrong"); }

struct EchoService final : echo::Echo::Service {
    grpc::Status Echo(grpc::ServerContext *, const echo::Bytes *request, echo::Bytes *response) override {
        if (request->SerializeAsString().find("throw") != std::string::npos)
            std::thread(work).join();
        *response = *request;
        return grpc::Status::OK;
    }
};

int main() {
    // SIGTERM is awaited by this thread and blocked in all.
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, nullptr);

    EchoService service;
    int port = 0;
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(-1);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    auto server = builder.BuildAndStart();
    std::printf("listening on %d\n", port);
    std::fflush(stdout);

    int signal;
    sigwait(&term, &signal);
    server->Shutdown();
}
