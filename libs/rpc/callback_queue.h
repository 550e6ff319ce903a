// gRPC's callback threads, kept for the life of the process.
#ifndef RAGMESH_LIBS_RPC_CALLBACK_QUEUE_H_
#define RAGMESH_LIBS_RPC_CALLBACK_QUEUE_H_

namespace ragmesh::rpc {

// gRPC 1.51 has one queue, with threads of its own, that runs the callbacks of all channels and
// servers. Whoever lets go of the last of those ends the threads and waits for them; when that
// happens in a callback, a thread waits for itself and the process aborts. Code whose callbacks may
// hold the last reference to a channel calls this first: from then on one channel, which goes
// nowhere, is never let go. Thread-safe, cheap after the first time.
void KeepCallbackQueue();

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_CALLBACK_QUEUE_H_
