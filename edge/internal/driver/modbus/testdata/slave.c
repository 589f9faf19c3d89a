/* A Modbus TCP slave on Debian's libmodbus: a peer that is not ours. It
 * listens on a free port, prints the port and serves until stdin ends.
 *
 * holding 0..9: 100..109   input 100..101: float 61.5, high word first
 * coils 0..15: every third set   discrete 0..7: every second set
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(16, 8, 10, 102);
    if (ctx == NULL || map == NULL) return 1;
    for (int i = 0; i < 10; i++) map->tab_registers[i] = 100 + i;
    map->tab_input_registers[100] = 0x4276; /* libmodbus' own float setters */
    map->tab_input_registers[101] = 0x0000; /* differ between its releases */
    for (int i = 0; i < 16; i++) map->tab_bits[i] = i % 3 == 0;
    for (int i = 0; i < 8; i++) map->tab_input_bits[i] = i % 2 == 0;

    int listener = modbus_tcp_listen(ctx, 2);
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&at, &size) < 0) return 1;
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);

    int conn = -1;
    for (;;) {
        struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {conn < 0 ? listener : conn, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0 || fds[0].revents != 0) return 0;
        if (fds[1].revents == 0) continue;
        if (conn < 0) {
            conn = modbus_tcp_accept(ctx, &listener);
            continue;
        }
        uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
        int n = modbus_receive(ctx, query);
        if (n > 0) modbus_reply(ctx, query, n, map);
        if (n < 0) {
            close(conn);
            conn = -1;
        }
    }
}
