// sources: zoo.h
/* Calls a pure virtual function, from the constructor of the base. */
#include "zoo.h"

struct Model {
    Model();
    virtual ~Model() {}
    virtual int load() = 0;
};

FN static int use(Model *model) {
    return model->load() + 1; /* CRASH */
}

Model::Model() {
    sink = use(this); /* CALL */
}

struct Onnx : Model {
    FN Onnx() {} /* CALL */
    int load() override { return 1; }
};

int fail(int depth) {
    Onnx *model = new Onnx; /* CALL */
    sink = model->load();
    return depth;
}

int main() {
    sink = serve(0); /* CALL */
    return 0;
}
