// gSOAP's stand-alone server (send), as its manual shows it. It leaves SIGPIPE to the program.
//
// sources: gsoap_echo.h
// generate: soapcpp2 -c -S -L -x "$1/gsoap_echo.h"
// with: soapC.c soapServer.c
// flags: -lgsoap
#include "echo.nsmap"
#include "soapH.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int ns__echo(struct soap *soap, char *text, char **result) {
    (void)soap;
    *result = text;
    return SOAP_OK;
}

static void end(int signal) {
    (void)signal;
    exit(0);
}

int main(void) {
    signal(SIGTERM, end);
    struct soap soap;
    soap_init(&soap);
    if (!soap_valid_socket(soap_bind(&soap, "127.0.0.1", 0, 128))) return 1;
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (getsockname(soap.master, (struct sockaddr *)&address, &length)) return 1;
    printf("listening on %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (1) {
        if (soap_valid_socket(soap_accept(&soap))) soap_serve(&soap);
        soap_destroy(&soap);
        soap_end(&soap);
    }
}
