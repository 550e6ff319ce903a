// Where `ragmesh serve` keeps everything, and how other commands find the store in it.
#ifndef RAGMESH_SERVICES_RAGMESH_DATA_FOLDER_H_
#define RAGMESH_SERVICES_RAGMESH_DATA_FOLDER_H_

#include <string>

namespace ragmesh::cli {

// $XDG_DATA_HOME/ragmesh, else ~/.local/share/ragmesh, else a folder here.
std::string DefaultDataFolder();

// The folder of a store: `data_dir`, or the one inside it when it is that of `ragmesh serve`.
std::string StoreFolder(const std::string& data_dir);

// Holds the address at which the store of a running `ragmesh serve` answers whoever may read this
// folder, and the socket itself.
std::string PrivateFolder(const std::string& data_dir);
inline constexpr char kAddressFile[] = "store.address";

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_DATA_FOLDER_H_
