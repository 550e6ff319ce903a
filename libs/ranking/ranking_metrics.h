// How good a ranking is, as trec_eval computes it (linear gain).
#ifndef RAGMESH_LIBS_RANKING_RANKING_METRICS_H_
#define RAGMESH_LIBS_RANKING_RANKING_METRICS_H_

#include <map>
#include <string>
#include <vector>

namespace ragmesh::ranking {

// `ranking` holds document ids, best first, without repeats; `grades` the positive judgements of
// the query, at least one.
double Ndcg(const std::vector<std::string>& ranking, const std::map<std::string, int>& grades,
            std::size_t cut);
double Recall(const std::vector<std::string>& ranking, const std::map<std::string, int>& grades,
              std::size_t cut);
double ReciprocalRank(const std::vector<std::string>& ranking,
                      const std::map<std::string, int>& grades, std::size_t cut);

}  // namespace ragmesh::ranking

#endif  // RAGMESH_LIBS_RANKING_RANKING_METRICS_H_
