// What soapcpp2 makes gsoap_echo's stubs from: a service that gives back what it is given.
//gsoap ns service name: echo
//gsoap ns service namespace: urn:echo
int ns__echo(char *text, char **result);
