typedef struct { int n; float *data; } vec;
float vdot(const vec *a, const vec *b) {
    float s = 0;
    for (int i = 0; i < a->n; i++) s += a->data[i] * b->data[i];
    return s;
}
