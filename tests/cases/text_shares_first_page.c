// lld lays code out so that it begins in the page of the file that has the headers, too, which is then mapped twice. Functions have their
// names nevertheless.
__attribute__((noinline)) static int fetch_row(int *volatile row) { return *row; }
__attribute__((noinline)) int run_query(int *row) { return fetch_row(row) + 1; }

int main(void) { return run_query(0); }
