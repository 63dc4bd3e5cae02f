// Preloaded into an IKE daemon on a kernel without ESP. Requests on NETLINK_XFRM that install, update, delete or flush SAs become
// NLMSG_NOOP with NLM_F_ACK, which the kernel answers with error 0: the daemon takes its SAs for installed. Everything else passes.
// The file named by SHIM_LOG gets one line for each installed SA, with its keys:
//   NEWSA spi 01020304 rfc4106(gcm(aes)) key 0123... cbc(aes) key ...
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct line {
  char text[2048];
  int length;
};

static void append(struct line *line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int left = (int)sizeof line->text - line->length;
  int n = vsnprintf(line->text + line->length, left, format, args);
  va_end(args);
  line->length += n < left ? n : left - 1;
}

static int is_xfrm_socket(int fd) {
  int domain = -1, protocol = -1;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) || domain != AF_NETLINK) return 0;
  size = sizeof protocol;
  return !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) && protocol == NETLINK_XFRM;
}

static const char *name_of(int type) {
  switch (type) {
    case XFRM_MSG_NEWSA: return "NEWSA";
    case XFRM_MSG_UPDSA: return "UPDSA";
    case XFRM_MSG_DELSA: return "DELSA";
    case XFRM_MSG_FLUSHSA: return "FLUSHSA";
    default: return NULL;
  }
}

static void append_key(struct line *line, const struct nlattr *attribute) {
  // struct xfrm_algo is name[64] and the key's length in bits; the AEAD and truncated kinds have one number more before the key.
  const struct xfrm_algo *algo = (const void *)((const char *)attribute + NLA_HDRLEN);
  const unsigned char *key = (const unsigned char *)algo + sizeof *algo + (attribute->nla_type == XFRMA_ALG_CRYPT ? 0 : 4);
  append(line, " %s key ", algo->alg_name);
  for (unsigned i = 0; i < algo->alg_key_len / 8; i++) append(line, "%02x", key[i]);
}

static void describe_sa(struct line *line, const struct nlmsghdr *header) {
  const struct xfrm_usersa_info *sa = NLMSG_DATA(header);
  const char *at = (const char *)sa + NLMSG_ALIGN(sizeof *sa), *end = (const char *)header + header->nlmsg_len;
  append(line, " spi %08x", ntohl(sa->id.spi));
  while (at + NLA_HDRLEN <= end) {
    const struct nlattr *attribute = (const void *)at;
    if (attribute->nla_len < NLA_HDRLEN) break;
    int type = attribute->nla_type;
    if (type == XFRMA_ALG_AEAD || type == XFRMA_ALG_CRYPT || type == XFRMA_ALG_AUTH_TRUNC) append_key(line, attribute);
    at += NLA_ALIGN(attribute->nla_len);
  }
}

static void report(const struct line *line) {
  const char *file = getenv("SHIM_LOG");
  int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
  if (fd < 0) return;
  if (syscall(SYS_write, fd, line->text, (size_t)line->length) < 0) perror("shim");
  close(fd);
}

/** A changed copy of the request, to be freed; NULL when it passes unchanged. */
static void *changed(int fd, const void *bytes, size_t size) {
  int saved = errno;
  const struct nlmsghdr *header = bytes;
  const char *name = size >= sizeof *header && is_xfrm_socket(fd) ? name_of(header->nlmsg_type) : NULL;
  struct nlmsghdr *copy = NULL;
  if (name != NULL) {
    struct line line = {.length = 0};
    append(&line, "%s", name);
    if (header->nlmsg_type == XFRM_MSG_NEWSA || header->nlmsg_type == XFRM_MSG_UPDSA) describe_sa(&line, header);
    append(&line, "\n");
    report(&line);
    copy = malloc(size);
    memcpy(copy, bytes, size);
    copy->nlmsg_type = NLMSG_NOOP;
    copy->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  }
  errno = saved;
  return copy;
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t to_size) {
  static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
  if (!real) real = dlsym(RTLD_NEXT, "sendto");
  void *copy = changed(fd, bytes, size);
  ssize_t sent = real(fd, copy ? copy : bytes, size, flags, to, to_size);
  free(copy);
  return sent;
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
  static ssize_t (*real)(int, const void *, size_t, int);
  if (!real) real = dlsym(RTLD_NEXT, "send");
  void *copy = changed(fd, bytes, size);
  ssize_t sent = real(fd, copy ? copy : bytes, size, flags);
  free(copy);
  return sent;
}

ssize_t write(int fd, const void *bytes, size_t size) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "write");
  void *copy = fd > 2 ? changed(fd, bytes, size) : NULL;
  ssize_t sent = real(fd, copy ? copy : bytes, size);
  free(copy);
  return sent;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  static ssize_t (*real)(int, const struct msghdr *, int);
  if (!real) real = dlsym(RTLD_NEXT, "sendmsg");
  void *copy = message->msg_iovlen == 1 ? changed(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len) : NULL;
  if (copy == NULL) return real(fd, message, flags);
  struct iovec part = {copy, message->msg_iov[0].iov_len};
  struct msghdr other = *message;
  other.msg_iov = &part;
  ssize_t sent = real(fd, &other, flags);
  free(copy);
  return sent;
}
