// Preloaded into an IKE daemon on a kernel without PF_KEY (RFC 2367). socket(PF_KEY) gives a datagram socket that is connected to itself,
// and writev() to it turns each request into its successful answer (SADB_GETSPI with a random SPI): the daemon takes its SAs for
// installed. The answer is there when writev() returns, as with a kernel: iked waits 1 ms for it.
// When the soft lifetime of an SA ends, SADB_EXPIRE comes from the same socket.
// The file named by SHIM_LOG gets one line for each request, with the keys:
//   ADD spi 01020304 encryption 12 key 0123... integrity 6 key ...
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/pfkeyv2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FREE_SPI 256
#define IP_IPSEC_POLICY 16
#define IPV6_IPSEC_POLICY 34

static const char *const names[] = {"?",    "GETSPI",  "UPDATE",  "ADD",       "DELETE", "GET",       "ACQUIRE", "REGISTER",   "EXPIRE",  "FLUSH",
                                    "DUMP", "PROMISC", "PCHANGE", "SPDUPDATE", "SPDADD", "SPDDELETE", "SPDGET",  "SPDACQUIRE", "SPDDUMP", "SPDSETIDX", "SPDFLUSH"};

static FILE *log_file;

/** At once: afterwards the daemon changes its root. Each of its processes comes by here. */
__attribute__((constructor)) static void open_log(void) {
  const char *name = getenv("SHIM_LOG");
  if (name) log_file = fopen(name, "ae");
}

static void log_key(const char *what, const struct sadb_key *key) {
  fprintf(log_file, " %s key ", what);
  for (int i = 0; i < key->sadb_key_bits / 8; i++) fprintf(log_file, "%02x", ((const unsigned char *)(key + 1))[i]);
}

static void log_request(const unsigned char *bytes, ssize_t size) {
  if (!log_file) return;
  const struct sadb_msg *message = (const void *)bytes;
  unsigned type = message->sadb_msg_type;
  fputs(type < sizeof names / sizeof *names ? names[type] : "?", log_file);
  int encryption = 0, integrity = 0;
  char text[32];
  for (ssize_t at = sizeof *message; at + (ssize_t)sizeof(struct sadb_ext) <= size;) {
    const struct sadb_ext *extension = (const void *)(bytes + at);
    if (extension->sadb_ext_len == 0) break;
    if (extension->sadb_ext_type == SADB_EXT_SA) {
      const struct sadb_sa *sa = (const void *)extension;
      fprintf(log_file, " spi %08x", ntohl(sa->sadb_sa_spi));
      encryption = sa->sadb_sa_encrypt;
      integrity = sa->sadb_sa_auth;
    } else if (extension->sadb_ext_type == SADB_EXT_KEY_ENCRYPT) {
      snprintf(text, sizeof text, "encryption %d", encryption);
      log_key(text, (const void *)extension);
    } else if (extension->sadb_ext_type == SADB_EXT_KEY_AUTH) {
      snprintf(text, sizeof text, "integrity %d", integrity);
      log_key(text, (const void *)extension);
    }
    at += extension->sadb_ext_len * 8;
  }
  fputc('\n', log_file);
  fflush(log_file);
}

/** Turns a SADB_GETSPI request into its answer; returns the answer's size. */
static size_t answer_spi(unsigned char *bytes) {
  struct sadb_msg *message = (void *)bytes;
  struct sadb_sa sa = {.sadb_sa_len = sizeof sa / 8, .sadb_sa_exttype = SADB_EXT_SA};
  do {
    if (getrandom(&sa.sadb_sa_spi, sizeof sa.sadb_sa_spi, 0) < 0) abort();
  } while (ntohl(sa.sadb_sa_spi) < FIRST_FREE_SPI);
  memcpy(bytes + sizeof *message, &sa, sizeof sa);
  message->sadb_msg_len = (sizeof *message + sizeof sa) / 8;
  return sizeof *message + sizeof sa;
}

struct expiry {
  int fd;
  unsigned seconds;
  struct {
    struct sadb_msg message;
    struct sadb_sa sa;
    struct sadb_lifetime soft;
  } told;
};

static void *wait_and_tell(void *argument) {
  struct expiry *expiry = argument;
  sleep(expiry->seconds);
  if (send(expiry->fd, &expiry->told, sizeof expiry->told, 0) < 0) perror("shim");
  free(expiry);
  return NULL;
}

static const void *find(const unsigned char *bytes, size_t size, int type) {
  for (size_t at = sizeof(struct sadb_msg); at + sizeof(struct sadb_ext) <= size;) {
    const struct sadb_ext *extension = (const void *)(bytes + at);
    if (extension->sadb_ext_type == type || extension->sadb_ext_len == 0) return extension->sadb_ext_len == 0 ? NULL : extension;
    at += extension->sadb_ext_len * 8;
  }
  return NULL;
}

/** For SADB_ADD and SADB_UPDATE: one thread for each SA with a soft lifetime. */
static void schedule_expiry(int fd, const unsigned char *bytes, size_t size) {
  const struct sadb_sa *sa = find(bytes, size, SADB_EXT_SA);
  const struct sadb_lifetime *soft = find(bytes, size, SADB_EXT_LIFETIME_SOFT);
  if (sa == NULL || soft == NULL || soft->sadb_lifetime_addtime == 0) return;
  struct expiry *expiry = calloc(1, sizeof *expiry);
  expiry->fd = fd;
  expiry->seconds = soft->sadb_lifetime_addtime;
  expiry->told.message = *(const struct sadb_msg *)bytes;
  expiry->told.message.sadb_msg_type = SADB_EXPIRE;
  expiry->told.message.sadb_msg_len = sizeof expiry->told / 8;
  expiry->told.message.sadb_msg_seq = 0;
  expiry->told.message.sadb_msg_pid = 0;
  expiry->told.sa = *sa;
  expiry->told.soft = *soft;
  pthread_t thread;
  if (pthread_create(&thread, NULL, wait_and_tell, expiry) == 0) pthread_detach(thread);
}

static int is_pfkey_socket(int fd) {
  int domain = -1, type = -1;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) || domain != AF_UNIX) return 0;
  size = sizeof type;
  return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_DGRAM;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  static ssize_t (*real)(int, const struct iovec *, int);
  if (!real) real = dlsym(RTLD_NEXT, "writev");
  static unsigned char bytes[65536];
  size_t size = 0;
  for (int i = 0; i < count; i++) {
    if (parts[i].iov_len > sizeof bytes - size) return real(fd, parts, count);
    memcpy(bytes + size, parts[i].iov_base, parts[i].iov_len);
    size += parts[i].iov_len;
  }
  struct sadb_msg *message = (void *)bytes;
  if (size < sizeof *message || message->sadb_msg_version != PF_KEY_V2 || !is_pfkey_socket(fd)) return real(fd, parts, count);
  log_request(bytes, size);
  message->sadb_msg_errno = 0;
  if (message->sadb_msg_type == SADB_ADD || message->sadb_msg_type == SADB_UPDATE) schedule_expiry(fd, bytes, size);
  size_t answer = message->sadb_msg_type == SADB_GETSPI ? answer_spi(bytes) : size;
  return send(fd, bytes, answer, 0) == (ssize_t)answer ? (ssize_t)size : -1;
}

/** A name of its own (autobind) to connect to. */
static int connect_to_itself(int fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t size = sizeof address.sun_family;
  if (bind(fd, (struct sockaddr *)&address, size)) return -1;
  size = sizeof address;
  return getsockname(fd, (struct sockaddr *)&address, &size) || connect(fd, (struct sockaddr *)&address, size) ? -1 : 0;
}

int socket(int domain, int type, int protocol) {
  static int (*real)(int, int, int);
  if (!real) real = dlsym(RTLD_NEXT, "socket");
  if (domain != PF_KEY) return real(domain, type, protocol);
  int fd = real(AF_UNIX, SOCK_DGRAM, 0);
  if (fd >= 0 && connect_to_itself(fd)) {
    close(fd);
    return -1;
  }
  return fd;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
  static int (*real)(int, int, int, const void *, socklen_t);
  if (!real) real = dlsym(RTLD_NEXT, "setsockopt");
  // A bypass policy for the daemon's own sockets, which needs the same part of the kernel.
  if (level == 0 && name == IP_IPSEC_POLICY) return 0;
  if (level == 41 && name == IPV6_IPSEC_POLICY) return 0;
  return real(fd, level, name, value, size);
}
