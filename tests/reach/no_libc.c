/* A program without any libc: linked as a dynamic program, and as a static one. */
void _start(void) { __asm__ volatile("mov $60, %eax; mov $7, %edi; syscall"); }
