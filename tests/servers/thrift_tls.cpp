// Apache Thrift's threaded server over TLS (SSL_write): thrift_tls CERTIFICATE KEY. The service gives back what it is given.
//
// sources: echo.thrift
// generate: thrift -r --gen cpp -out . "$1/echo.thrift"
// with: Echo.cpp
// flags: -lthrift -lssl -lcrypto
#include "Echo.h"
#include <csignal>
#include <cstdio>
#include <memory>
#include <pthread.h>
#include <thread>
#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/server/TThreadedServer.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/TSSLServerSocket.h>
#include <thrift/transport/TSSLSocket.h>

using namespace apache::thrift;

struct Echo : echo::EchoIf {
    void echo(std::string &result, const std::string &bytes) override { result = bytes; }
};

struct Announce : server::TServerEventHandler {
    std::shared_ptr<transport::TServerSocket> socket;
    void preServe() override {
        std::printf("listening on %d\n", socket->getPort());
        std::fflush(stdout);
    }
};

int main(int, char **argv) {
    // SIGTERM is awaited by one thread and blocked in all.
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, nullptr);

    GlobalOutput.setOutputFunction([](const char *) {});
    auto factory = std::make_shared<transport::TSSLSocketFactory>();
    factory->server(true);
    factory->authenticate(false);
    factory->loadCertificate(argv[1]);
    factory->loadPrivateKey(argv[2]);
    auto socket = std::make_shared<transport::TSSLServerSocket>("127.0.0.1", 0, factory);
    server::TThreadedServer server(std::make_shared<echo::EchoProcessor>(std::make_shared<Echo>()), socket,
                                   std::make_shared<transport::TBufferedTransportFactory>(),
                                   std::make_shared<protocol::TBinaryProtocolFactory>());
    auto announce = std::make_shared<Announce>();
    announce->socket = socket;
    server.setServerEventHandler(announce);
    std::thread([&] {
        int signal;
        sigwait(&term, &signal);
        server.stop();
    }).detach();
    server.serve();
}
