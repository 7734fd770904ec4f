/* Dies in a function that a stripped program can't name. */
struct order {
    int number;
    const char *name;
};

static __attribute__((noinline)) int first_letter(const struct order *order) {
    return order->name[0]; /* CRASH */
}

int main(void) {
    struct order order = {7, 0};
    return first_letter(&order) + order.number;
}
