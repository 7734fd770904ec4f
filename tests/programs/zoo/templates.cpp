// sources: zoo.h
/* Templates in namespaces, member functions, a lambda in a std::function. */
#include "zoo.h"
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace inference {
template <typename Key, typename Value> class Cache {
  public:
    FN Value &at(const Key &key) {
        will_crash_at(nullptr);
        sink += (long)key.size() + nowhere[0]; /* CRASH */
        return values_[key];
    }

  private:
    std::map<Key, Value> values_;
};

template <typename Function> FN int with(Function function) {
    int result = function(1); /* CALL */
    sink = result;
    return result + 1;
}
} // namespace inference

int fail(int depth) {
    inference::Cache<std::string, std::vector<float>> cache;
    const std::string key = "tensor";
    std::function<int(int)> look = [&](int n) {
        sink = (long)cache.at(key).size(); /* CALL */
        return n;
    };
    sink = inference::with<const std::function<int(int)> &>(look); /* CALL */
    return depth;
}

int main() {
    sink = serve(0); /* CALL */
    return 0;
}
