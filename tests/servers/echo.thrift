/* A service that gives back what it is given. */
namespace cpp echo
service Echo { binary echo(1: binary bytes) }
